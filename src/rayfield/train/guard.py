"""Steps gone wrong: finding the NaN, and how the learning rate answers it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rayfield.core.check import RayfieldError
from rayfield.train.progress import State

SMALL = 2**17  # values; gradients up to this size are summed every step
FULL_CHECK_EVERY = 50  # steps; larger ones (tables) only then, for that costs memory traffic
RECOVERY_STEPS = 100  # good steps before the rate is raised again
RECOVERY = 1.1
PATIENCE = 3  # bad steps in a row that end the training


class DivergenceError(RayfieldError):
    """Training reached numbers that are not finite, and cannot go on."""


def bad_term(terms: dict[str, Tensor], total: float) -> str | None:
    """The loss term that made the total NaN or infinite, or None if the total is finite."""
    if math.isfinite(total):
        return None
    bad = [name for name, term in terms.items() if not math.isfinite(term.item())]
    return f"loss term {bad[0]!r}" if bad else "sum of the loss terms"


def bad_gradient(parameters: dict[str, nn.Parameter], step: int) -> str | None:
    """The parameter whose gradient holds NaN or infinity, or None.

    Large parameters are looked at only every so many steps. One sum each, one synchronisation.
    """
    full = step % FULL_CHECK_EVERY == 0
    sums = [
        parameter.grad.sum()
        for parameter in parameters.values()
        if parameter.grad is not None and (full or parameter.numel() <= SMALL)
    ]
    if not sums or math.isfinite(torch.stack(sums).sum().item()):
        return None
    for name, parameter in parameters.items():
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            return f"gradient of {name!r}"
    return None  # all finite: only their sum was not


def bad_tensor(model: nn.Module) -> str | None:
    """The first parameter that is not finite or buffer that holds NaN, or None."""
    parameters = {name for name, _ in model.named_parameters()}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if bool(tensor.isnan().any()) or (name in parameters and bool(tensor.isinf().any())):
            return f"tensor {name!r}"
    return None


def count_step(state: State, culprit: str | None) -> None:
    """Count a step, halving the rate after a bad one and raising it slowly after many good ones."""
    state.step += 1
    if culprit is not None:
        state.bad += 1
        state.good = 0
        state.backoff *= 0.5
        return
    state.bad = 0
    state.good += 1
    if state.good % RECOVERY_STEPS == 0:
        state.backoff = min(state.backoff * RECOVERY, 1.0)
