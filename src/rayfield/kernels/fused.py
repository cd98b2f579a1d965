"""The compiled radiance field as a differentiable function of torch tensors.

`Renderer` owns the storage that forward and reverse share; `Render` is the autograd function.
Nothing is copied between torch and the kernels except the small matrices and the
half-precision table, which is refreshed when the parameter has changed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rayfield.core.types import Rays
from rayfield.kernels import march
from rayfield.kernels.half import LINE, to_half
from rayfield.kernels.hash_encode import GROUP, Levels
from rayfield.kernels.layout import Batch, Gradients, Image, Store, Weights
from rayfield.kernels.packing import ALIGN, Packed, bundle, fill
from rayfield.kernels.pool import pool, zeros
from rayfield.kernels.radiance import TILE, densities, encode_all, render_chunks
from rayfield.kernels.radiance_backward import backward_chunks, scatter_chunks

_RGB = 8  # padded width of the colour output


class Renderer:
    """Storage and half-precision table of one field on the CPU.

    One forward at a time: its activations are overwritten by the next one.
    """

    levels: Levels
    kept: np.ndarray
    store: Store

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.half = zeros(tuple(table.shape), np.float16)
        self.rows = 0
        self.forwards = 0
        self._version = -1

    def refresh(self) -> np.ndarray:
        """The table in half precision, as bits; converted again if the table has changed."""
        bits = self.half.view(torch.int16)
        if self._version != self.table._version:
            values = self.table.detach().view(-1)
            whole = len(values) // LINE * LINE
            pool().run(to_half, values[:whole].numpy(), bits.view(-1)[:whole].numpy())
            self.half.view(-1)[whole:] = values[whole:]
            self._version = self.table._version
        return bits.numpy()

    def reserve(self, rows: int, matrices: tuple[Tensor, ...]) -> None:
        """Storage for that many samples (and padding), kept for later batches."""
        need = rows + (march.CHUNKS + 1) * ALIGN + TILE
        if self.rows < need:
            self.rows = max(need, self.rows * 3 // 2)
            hidden, geometry = matrices[:2]
            self.store = _allocate(self.rows, hidden.shape[1], geometry.shape[0])

    def fill(self, grid: march.Grid, rays: Rays, jitter: Tensor | None, packed: Packed) -> None:
        """Write positions, starts and lengths of the packed samples."""
        store = self.store
        for chunk in range(march.CHUNKS):  # padding rows are encoded, so they must be valid
            last = packed.rays[chunk + 1] - 1
            if last >= packed.rays[chunk]:
                end = packed.first[last] + packed.count[last]
                store.position[end : end + ALIGN] = 0
        fill(grid, bundle(rays, jitter), packed, (store.start, store.delta, store.position))

    def observe(self, packed: Packed, grid: march.Seen, image: Tensor) -> None:
        """Tell a grid of the samples that the last forward kept, of rays from these photos [R]."""
        march.observe(grid, image.numpy(), packed.begin, self.kept, self.store)


def _allocate(rows: int, features: int, geometry: int) -> Store:
    """Rows of storage for so many features of the encoding and outputs of the density network."""

    def floats(*shape: int) -> np.ndarray:
        return np.empty((rows, *shape), np.float32)

    return Store(
        floats(3), floats(), floats(), floats(), floats(), np.empty(rows, np.int32),
        floats(features), floats(geometry), floats(_RGB),
    )  # fmt: skip


def _weights(matrices: tuple[Tensor, ...]) -> Weights:
    hidden, geometry, first, color2, rgb = (m.detach() for m in matrices)
    color1, view = first.split(len(geometry), dim=1)
    rgb = nn.functional.pad(rgb, (0, 0, 0, _RGB - len(rgb)))
    plain = [m.contiguous().numpy() for m in (hidden, geometry, view, color1, color2, rgb)]
    return Weights(*plain, *(np.ascontiguousarray(m.T) for m in plain))


class Render(torch.autograd.Function):
    """(color without background, opacity, depth sum, distortion, live) of packed rays.

    Arguments: renderer, packed, harmonics [R, 16], cutoff, fade, table, then the five matrices. The
    table's gradient is added to `table.grad` directly: it is as large as the table.
    """

    @staticmethod
    def forward(ctx, renderer, packed, harmonics, cutoff, fade, table, *matrices):
        weights = _weights(matrices)
        store = renderer.store
        live, kept = np.zeros(packed.used, np.int64), np.zeros(march.CHUNKS, np.int64)
        padded = nn.functional.pad(harmonics, (0, 0, 0, ALIGN)).numpy()
        batch = Batch(padded, packed.first, packed.count, live,
                      packed.rays, packed.begin, kept)  # fmt: skip
        outputs = [torch.empty(packed.used, 3)] + [torch.empty(packed.used) for _ in range(3)]
        image = Image(*(x.numpy() for x in outputs))
        half = renderer.refresh()
        pool().run(encode_all, half, renderer.levels, store.position, store.encoding, packed.rows)
        pool().run(render_chunks, weights, store, batch, image, np.float32(cutoff))
        renderer.forwards += 1
        renderer.kept = kept
        ctx.state = (renderer, renderer.forwards, weights, batch, image, fade, table)
        kept_samples = torch.from_numpy(live)
        ctx.mark_non_differentiable(kept_samples)
        return (*outputs, kept_samples)

    @staticmethod
    def backward(ctx, color, opacity, depth, distortion, _live):
        renderer, forward, weights, batch, image, fade, table = ctx.state
        if forward != renderer.forwards:
            raise RuntimeError(
                "backward of a render whose activations were overwritten by a later one"
            )
        renderer.forwards += 1  # this pass overwrites the activations: no second one
        reverse = Image(*(x.contiguous().numpy() for x in (color, opacity, depth, distortion)))
        shapes = [w.shape for w in weights[: len(weights) // 2]]
        grads = Gradients(*(np.zeros((march.CHUNKS, *shape), np.float32) for shape in shapes))
        store = renderer.store
        pool().run(backward_chunks, weights, store, batch, image, reverse, grads,
                   np.float32(fade))  # fmt: skip
        if ctx.needs_input_grad[5]:
            if table.grad is None:
                table.grad = zeros(tuple(table.shape))
            gradient = table.grad.numpy()
            pool().run(scatter_chunks, gradient, renderer.levels, store, batch)
        hidden, geometry, view, color1, color2, rgb = (torch.from_numpy(g.sum(0)) for g in grads)
        first = torch.cat([color1, view], dim=1)
        return (None, None, None, None, None, None, hidden, geometry, first, color2, rgb[:3])


def density(renderer: Renderer, matrices: tuple[Tensor, ...], points: Tensor) -> Tensor:
    """Density at points of the unit cube [N, 3]; no gradient."""
    sigma = torch.empty(len(points))
    padded = nn.functional.pad(points, (0, 0, 0, GROUP)).numpy()
    pool().run(densities, renderer.refresh(), renderer.levels, _weights(matrices),
               padded, sigma.numpy())  # fmt: skip
    return sigma
