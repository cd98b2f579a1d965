"""Work in parts, and what happens when memory runs out."""

from __future__ import annotations

import logging

import pytest
import torch

from rayfield.core.check import RayfieldError
from rayfield.core.parts import LEAST, in_parts, is_out_of_memory


def test_every_row_is_asked_for_once_and_in_order():
    rows = list(range(10))
    assert in_parts(lambda part: rows[part], 10, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_of_no_rows_it_is_asked_once():
    assert in_parts(lambda part: (part.start, part.stop), 0, 4) == [(0, 0)]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"),
    ],
)
def test_parts_are_halved_until_they_fit_and_stay_so(error, caplog):
    asked = []

    def work(part: slice) -> torch.Tensor:
        asked.append(part.stop - part.start)
        if asked[-1] > 300:
            raise error
        return torch.arange(part.start, part.stop)

    with caplog.at_level(logging.WARNING, "rayfield"):
        found = torch.cat(in_parts(work, 2000, 1024))
    assert found.equal(torch.arange(2000))
    assert asked[:2] == [1024, 512]
    assert set(asked[2:-1]) == {256}
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory: going on with 512 points at a time",
        "out of memory: going on with 256 points at a time",
    ]


def test_what_never_fits_is_one_sentence():
    def work(part: slice) -> None:
        raise MemoryError

    with pytest.raises(RayfieldError, match=f"out of memory, even for {LEAST} points at a time"):
        in_parts(work, 5000, 4096)


def test_few_rows_that_do_not_fit_end_it_too():
    def work(part: slice) -> None:
        raise MemoryError

    with pytest.raises(RayfieldError, match="even for 3 points at a time"):
        in_parts(work, 3, 4096)


def test_other_errors_pass_at_once():
    asked = []

    def work(part: slice) -> None:
        asked.append(part)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="do not match"):
        in_parts(work, 5000, 4096)
    assert len(asked) == 1


def test_torchs_own_allocator_is_understood():
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(ValueError("out of memory"))
