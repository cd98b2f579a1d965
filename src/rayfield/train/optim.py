"""Adam (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1) with a rate for each group.

On the CPU in float32 the compiled `kernels.adam` updates in one pass over memory; elsewhere the
same formulas in torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rayfield.kernels.adam import LINE, adam
from rayfield.kernels.pool import pool, zeros


class Adam:
    """Groups are dicts of `params`, `lr`, `betas`, `eps`, as torch's optimisers take.

    A group with `sparse` true leaves parameters without gradient as they are, in lines of 16: most
    entries of a hash table in a small batch (Mueller et al. 2022, arXiv:2201.05989, Sec. 4).
    Gradients are zero after `step`, and stay allocated, so that kernels can add to them.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.groups = groups
        self.steps = 0
        self._moments = [
            [(_zeros_like(p), _zeros_like(p)) for p in group["params"]] for group in groups
        ]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update with every group's rate multiplied by `factor`; clears the gradients."""
        self.steps += 1
        for group, moments in zip(self.groups, self._moments, strict=True):
            beta1, beta2 = group["betas"]
            correction = math.sqrt(1 - beta2**self.steps)
            rate = group["lr"] * factor * correction / (1 - beta1**self.steps)
            rates = (rate, beta1, beta2, group["eps"] * correction)
            for param, (first, second) in zip(group["params"], moments, strict=True):
                if param.grad is not None:
                    _update(param, first, second, rates, sparse=group.get("sparse", False))

    def zero_grad(self) -> None:
        """Clear the gradients, as after a step that is skipped."""
        for group in self.groups:
            for param in group["params"]:
                if param.grad is not None:
                    param.grad.zero_()

    def reset(self) -> None:
        """As before the first step."""
        self.steps = 0
        for moments in self._moments:
            for pair in moments:
                for moment in pair:
                    moment.zero_()
        self.zero_grad()

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything that must be kept to go on."""
        state = {"steps": torch.tensor(self.steps)}
        for g, moments in enumerate(self._moments):
            for i, (first, second) in enumerate(moments):
                state[f"{g}.{i}.first"], state[f"{g}.{i}.second"] = first, second
        return state

    def load_state_tensors(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_tensors` gave."""
        self.steps = int(state["steps"])
        for name, tensor in self.state_tensors().items():
            if name != "steps":
                tensor.copy_(state[name])


def _zeros_like(param: Tensor) -> Tensor:
    if param.device.type == "cpu" and param.dtype == torch.float32:
        return zeros(tuple(param.shape))
    return torch.zeros_like(param)


def _update(
    param: Tensor, first: Tensor, second: Tensor, rates: tuple[float, ...], *, sparse: bool
) -> None:
    gradient = param.grad
    assert gradient is not None
    if param.device.type == "cpu" and param.dtype == torch.float32 and gradient.is_contiguous():
        arrays = (x.detach().view(-1).numpy() for x in (param, gradient, first, second))
        pool().run(adam, *arrays, tuple(np.float32(r) for r in rates), sparse)
        torch.autograd.graph.increment_version(param)  # torch did not see the change
        return
    rate, beta1, beta2, eps = rates
    old = (first.clone(), second.clone(), param.clone()) if sparse else ()
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    param.addcdiv_(first, second.sqrt() + eps, value=-rate)
    if sparse:
        still = _still(gradient)
        for now, before in zip((first, second, param), old, strict=True):
            now.copy_(torch.where(still, before, now))
    gradient.zero_()


def _still(gradient: Tensor) -> Tensor:
    """Which values lie in lines of the flat array without gradient."""
    flat = gradient.reshape(-1)
    lines = torch.nn.functional.pad(flat != 0, (0, -len(flat) % LINE)).view(-1, LINE)
    return ~lines.any(-1).repeat_interleave(LINE)[: len(flat)].view(gradient.shape)
