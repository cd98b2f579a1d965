"""Deep Image Prior: restoring one picture by a network that has seen no other.

Ulyanov, Vedaldi, Lempitsky 2018, arXiv:1711.10925. A network (Fig. 21) turns fixed noise into the
picture (eq. 2), and learns structure long before noise (Sec. 2.2). Averaged outputs, jitter and
backtracking are those of the authors' released code. Denoising ends at the calmest moment of the
outputs (Wang et al. 2021, arXiv:2112.06074, ES-EMV): no clean picture is needed to find it.

Departures: a narrower default network; averages reach less far back at first; known pixels return
as given, and enlarged pictures shrink to the given one; good weights may return at any step.
Cannot: structured noise, large holes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core.check import UsageError
from rayfield.core.types import NO_FILE, File, FromData
from rayfield.data.picture import PictureBatch, PictureTraits
from rayfield.fields.memory import CalmAverage, GoodWeights
from rayfield.fields.unet import SkipHourglass, Upsampling
from rayfield.math.resample import consistent, downsample


@dataclass(frozen=True)
class Config:
    """Task, network, schedule; the last three are those of the given picture."""

    steps: int = 1500
    task: Literal["denoise", "inpaint", "super_resolution"] = "denoise"
    mask: File = NO_FILE  # image file, white where the picture is known
    factor: int = 4  # of super-resolution
    inputs: int = 16
    channels: tuple[int, ...] = (32, 32, 32, 32, 32)
    skip: tuple[int, ...] = (4, 4, 4, 4, 4)
    upsampling: Upsampling = "bilinear"
    jitter: float = 1 / 30  # standard deviation of what is added to the input at every step
    rate: float = 0.01
    ema: float = 0.99
    backtrack: float = 5.0  # dB lost that bring the good weights back
    patience: int = 500  # steps without a calmer moment that end denoising; 0: the last step does
    height: FromData[int] = 0
    width: FromData[int] = 0
    colors: FromData[int] = 3


PAPER = Config(steps=3000, inputs=32, channels=(128,) * 5, patience=0)
PRESETS = {
    "laptop": Config(),
    "paper_denoise": PAPER,
    "paper_inpaint": replace(
        PAPER, task="inpaint", steps=6001, skip=(128,) * 5, upsampling="nearest", jitter=0.03
    ),
    "paper_super_resolution": replace(PAPER, task="super_resolution", steps=2000, jitter=0.03),
}


class Model(nn.Module):
    """The network, the fixed noise that it turns into the picture, what training remembers."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        size = (cfg.height * enlargement(cfg), cfg.width * enlargement(cfg))
        self.net = SkipHourglass(
            cfg.inputs, cfg.colors, channels=cfg.channels, skip=cfg.skip,
            upsampling=cfg.upsampling, generator=generator,
        )  # fmt: skip
        self.noise: Tensor
        self.register_buffer("noise", 0.1 * torch.rand(1, cfg.inputs, *size, generator=generator))
        self.outputs = CalmAverage((cfg.colors, *size), cfg.ema)
        self.good = GoodWeights(self.net)


def adapt(cfg: Config, traits: PictureTraits) -> Config:
    """Settings that follow from the picture. Raises UsageError if they do not fit together."""
    scales, side = len(cfg.channels), min(traits.height, traits.width) * enlargement(cfg)
    if not 0 < scales == len(cfg.skip):
        raise UsageError(f"channels has {scales} scales, but skip has {len(cfg.skip)}")
    if cfg.task == "inpaint" and not cfg.mask:
        raise UsageError("inpainting must know what to keep; add --set mask=FILE, white = known")
    if side <= 2**scales:
        fix = "take fewer with --set channels=32,32 --set skip=4,4"
        raise UsageError(f"{scales} scales need {2**scales + 1} pixels a side, not {side}; {fix}")
    return replace(cfg, height=traits.height, width=traits.width, colors=traits.channels)


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained model."""
    return Model(cfg, generator)


def batch_size(model: Model, cfg: Config) -> int:
    """All pixels."""
    return cfg.height * cfg.width


def param_groups(model: Model, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rate."""
    group = {"params": [*model.net.parameters()], "lr": cfg.rate}
    return [{**group, "betas": (0.9, 0.999), "eps": 1e-8}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """The rate is constant."""
    return 1.0


def loss(
    model: Model, batch: PictureBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Squared error of the known pixels (eqs. 4, 6, 7), its mean taken over all of them."""
    known = batch.keep.reshape(cfg.height, cfg.width)
    picture = batch.values.reshape(cfg.height, cfg.width, cfg.colors).permute(2, 0, 1)
    jitter = torch.randn(model.noise.shape, generator=generator).to(model.noise.device)

    def attempt() -> tuple[Tensor, Tensor]:
        output = model.net(model.noise + cfg.jitter * jitter)[0]
        seen = downsample(output, cfg.factor) if cfg.task == "super_resolution" else output
        return output, (known * (seen - picture)).square().mean()

    output, error = attempt()
    if model.good.restores(model.net, error.detach(), decibels=cfg.backtrack):
        output, error = attempt()
    if cfg.task == "inpaint":
        output = torch.where(known, picture, output)
    elif cfg.task == "super_resolution":
        output = consistent(output, picture, cfg.factor)
    model.outputs.add(output.detach(), patience=cfg.patience)
    return {"mse": error}


def image(
    model: Model, cfg: Config, *, size: tuple[int, int] | None = None
) -> Float[Tensor, "H W C"]:
    """The averaged output, when denoising at its calmest; at its own (height, width) only."""
    early = cfg.task == "denoise" and cfg.patience > 0
    picture = (model.outputs.calmest if early else model.outputs.average).permute(1, 2, 0)
    if size not in (None, picture.shape[:2]):
        raise UsageError(f"this picture exists at {picture.shape[1]}x{picture.shape[0]} only")
    return picture


def enlargement(cfg: Config) -> int:
    """How many times longer than the given picture's the sides of the restored one are."""
    return cfg.factor if cfg.task == "super_resolution" else 1
