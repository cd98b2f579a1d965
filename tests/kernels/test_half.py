"""Conversion to half precision against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.kernels.half import LINE, to_half
from rayfield.kernels.pool import pool


@pytest.mark.parametrize("lines", [0, 1, 7, 5000])
def test_bits_are_those_of_torch(lines, generator):
    """Also where numbers are too small, too large, halfway between two halves, or none at all."""
    values = torch.randn(lines * LINE, generator=generator) * torch.logspace(-9, 6, lines * LINE)
    odd = torch.tensor([0.0, -0.0, 1 + 2**-11, 1 + 3 * 2**-11, 65519, 65520, 1e-8, torch.inf])
    values[: len(odd)] = odd[: len(values)]
    bits = np.zeros(len(values), np.int16)
    pool().run(to_half, values.numpy(), bits)
    assert torch.equal(torch.from_numpy(bits), values.half().view(torch.int16))


def test_what_is_no_number_stays_none():
    bits = np.zeros(LINE, np.int16)
    pool().run(to_half, np.full(LINE, np.nan, np.float32), bits)
    assert torch.from_numpy(bits).view(torch.half).isnan().all()
