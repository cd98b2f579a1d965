"""A tiny real training: a two-layer network learns a colour from a ray's origin."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rayfield.core.types import RayBatch, Rays
from rayfield.train.loop import fit
from rayfield.train.progress import Budget, Hooks, Outcome
from rayfield.train.run import Record, Run, create_run, describe_data


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 30
    rays: int = 16
    lr: float = 1e-2


class Model(nn.Module):
    """`rays` is state that the loss changes, as a method that adapts its batches has."""

    def __init__(self, cfg: Config, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Linear(3, 8)
        self.second = nn.Linear(8, 3)
        self.register_buffer("rays", torch.tensor(cfg.rays))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.5, 0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.sin(3 * self.first(x)))


class Method:
    """The training half of a method; a subclass injects faults."""

    def batch_size(self, model: Model, cfg: Config) -> int:
        return int(model.rays)

    def lr_factor(self, cfg: Config, step: int, progress: float) -> float:
        return 0.1**progress

    def loss(
        self,
        model: Model,
        batch: RayBatch,
        cfg: Config,
        step: int,
        *,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        noise = 0.01 * torch.randn(batch.rgba.shape[0], 3, generator=generator)
        error = model(batch.rays.origins) - batch.rgba[:, :3] - noise
        model.rays.copy_(cfg.rays + step % 3)
        weights = sum(parameter.square().sum() for parameter in model.parameters())
        return {"mse": error.square().mean(), "weights": 1e-4 * weights}


class Sampler:
    """Random origins, coloured by a smooth function of them."""

    def sample(self, n: int, *, generator: torch.Generator) -> RayBatch:
        origins = torch.rand(n, 3, generator=generator)
        directions = torch.tensor([[0.0, 0.0, 1.0]]).expand(n, 3)
        rays = Rays(origins, directions, torch.zeros(n), torch.ones(n), torch.zeros(n).long())
        colors = 0.5 + 0.5 * torch.sin(4 * origins)
        return RayBatch(rays, torch.cat([colors, torch.ones(n, 1)], dim=1))


class Adam:
    """Adam as the loop expects an optimiser to be, written plainly."""

    def __init__(self, model: nn.Module, lr: float) -> None:
        self.lr, self.steps = lr, 0
        self.parameters = dict(model.named_parameters())
        self.first = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.second = {name: torch.zeros_like(p) for name, p in self.parameters.items()}

    @torch.no_grad()
    def step(self, factor: float) -> None:
        self.steps += 1
        for name, parameter in self.parameters.items():
            m, v = self.first[name], self.second[name]
            m.lerp_(parameter.grad, 0.1)
            v.lerp_(parameter.grad.square(), 0.01)
            m_hat, v_hat = m / (1 - 0.9**self.steps), v / (1 - 0.99**self.steps)
            parameter -= factor * self.lr * m_hat / (v_hat.sqrt() + 1e-8)
        self.zero_grad()

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    def reset(self) -> None:
        self.steps = 0
        for moment in (*self.first.values(), *self.second.values()):
            moment.zero_()
        self.zero_grad()

    def state_tensors(self) -> dict[str, Tensor]:
        first = {f"first.{name}": tensor for name, tensor in self.first.items()}
        second = {f"second.{name}": tensor for name, tensor in self.second.items()}
        return {"steps": torch.tensor(self.steps), **first, **second}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        self.steps = int(tensors["steps"])
        for name, tensor in self.state_tensors().items():
            tensor.copy_(tensors[name])


def make_record(path: Path, *, seed: int = 1) -> Record:
    """A record as a training of the toy has it."""
    data = describe_data(
        path.parent / "photos", path, fingerprint="f00d", splits={"train": 3}, downscale=1
    )
    return Record(
        method="toy",
        config=dataclasses.asdict(Config()),
        data=data,
        world_from_scene=[[float(i == j) for j in range(4)] for i in range(4)],
        traits={"bounded": True},
        seed=seed,
        budget={"steps": 30, "seconds": None},
    )


def new_run(path: Path, *, seed: int = 1) -> Run:
    return create_run(path, make_record(path, seed=seed))


def train(
    run: Run,
    *,
    steps: int | None = 30,
    seconds: float | None = None,
    checkpoint_seconds: float = 1e9,
    hooks: Hooks | None = None,
    parts: dict[str, Any] | None = None,
) -> tuple[Outcome, Model, Adam]:
    """Train the toy in `run`, from where it is; `parts` replaces method, sampler or model."""
    parts = parts or {}
    cfg = Config()
    generator = torch.Generator().manual_seed(run.record["seed"])
    model = parts.get("model") or Model(cfg, generator)
    optimiser = parts.get("optimiser") or Adam(model, cfg.lr)
    outcome = fit(
        parts.get("method") or Method(),
        model,
        cfg,
        sampler=parts.get("sampler") or Sampler(),
        optimiser=optimiser,
        run=run,
        budget=Budget(steps, seconds, checkpoint_seconds),
        hooks=hooks or Hooks(),
    )
    return outcome, model, optimiser


def digest(model: Model, optimiser: Adam) -> str:
    """A hash of every bit that training has made."""
    tensors = {**model.state_dict(), **optimiser.state_tensors()}
    bits = b"".join(name.encode() + t.numpy().tobytes() for name, t in sorted(tensors.items()))
    return hashlib.sha256(bits).hexdigest()
