"""How far two pictures are apart: training losses and the published measures.

Pictures are height, width, channels with values in [0, 1]. `psnr` and `ssim` are computed in
float64 per image; a data set's figure is the mean of its images' figures.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from rayfield.core.check import RayfieldError

WINDOW = 11  # of SSIM, pixels
SPREAD = 1.5  # standard deviation of its Gaussian, pixels


def mse(a: Float[Tensor, "*S"], b: Float[Tensor, "*S"]) -> Float[Tensor, ""]:
    """Mean squared difference over everything."""
    return ((a - b) ** 2).mean()


def huber(
    a: Float[Tensor, "*S"], b: Float[Tensor, "*S"], *, delta: float = 0.1
) -> Float[Tensor, ""]:
    """Mean of Huber's function: half the square up to `delta` apart, linear beyond (Huber 1964)."""
    return functional.huber_loss(a, b, delta=delta)


def psnr(a: Float[Tensor, "H W C"], b: Float[Tensor, "H W C"]) -> Float[Tensor, ""]:
    """Peak signal-to-noise ratio in dB over all pixels and channels of one image.

    Both are clipped to [0, 1] first; infinite for identical images.
    """
    return -10 * torch.log10(mse(a.double().clamp(0, 1), b.double().clamp(0, 1)))


def ssim(a: Float[Tensor, "H W C"], b: Float[Tensor, "H W C"]) -> Float[Tensor, ""]:
    """Structural similarity of one image (Wang et al. 2004, eq. 13), at most 1.

    Gaussian window 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1, population
    statistics, mean over channels and over pixels whose whole window lies inside; clipped to
    [0, 1] first. `RayfieldError` for images smaller than the window.
    """
    if min(a.shape[:2]) < WINDOW:
        size = f"{a.shape[1]}x{a.shape[0]}"
        raise RayfieldError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got {size}")
    x, y = (image.double().clamp(0, 1).permute(2, 0, 1) for image in (a, b))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * covariance + c2) / (var_x + var_y + c2)).mean()


def _blur(image: Float[Tensor, "C H W"]) -> Float[Tensor, "C h w"]:
    """Gaussian window means, where the window fits."""
    offset = torch.arange(WINDOW, dtype=image.dtype, device=image.device) - WINDOW // 2
    kernel = torch.exp(-0.5 * (offset / SPREAD) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, WINDOW, 1)
    rows = functional.conv2d(image[:, None], kernel)
    return functional.conv2d(rows, kernel.transpose(2, 3))[:, 0]
