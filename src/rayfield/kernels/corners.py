"""Where the eight corners of a point's cell lie in a hash grid's tables, one point at a time."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import float32, uint32

from rayfield.kernels.hash_encode import FEATURES
from rayfield.kernels.jit import data_pointer, kernel

_PRIME_Y, _PRIME_Z = np.uint32(2654435761), np.uint32(805459861)
FOUR = ir.VectorType(ir.FloatType(), FEATURES)


def row_pointer(context, builder, array_type, array, element):
    """Pointer to the four numbers at `element` (a multiple of 4) of an array, as IR."""
    place = data_pointer(context, builder, array_type, array, element)
    return builder.bitcast(place, FOUR.as_pointer())


@kernel
def cell(resolution, x):
    """Cell index and offset in [0, 1] of coordinate x in [0, 1] at this resolution."""
    scaled = x * float32(resolution)
    index = min(max(int(scaled), 0), resolution - 1)
    return uint32(index), scaled - float32(index)


@kernel
def corner_rows(resolution, entries, dense, ix, iy, iz):
    """Table rows of the eight corners, x fastest."""
    x1 = ix + uint32(1)
    if dense:
        side = uint32(resolution + 1)
        y0, z0 = iy * side, iz * side * side
        y1, z1 = y0 + side, z0 + side * side
        return (ix + y0 + z0, x1 + y0 + z0, ix + y1 + z0, x1 + y1 + z0,
                ix + y0 + z1, x1 + y0 + z1, ix + y1 + z1, x1 + y1 + z1)  # fmt: skip
    mask = uint32(entries - 1)
    y0, z0 = iy * _PRIME_Y, iz * _PRIME_Z
    y1, z1 = y0 + _PRIME_Y, z0 + _PRIME_Z
    a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
    return ((ix ^ a) & mask, (x1 ^ a) & mask, (ix ^ b) & mask, (x1 ^ b) & mask,
            (ix ^ c) & mask, (x1 ^ c) & mask, (ix ^ d) & mask, (x1 ^ d) & mask)  # fmt: skip


@kernel
def corner_weights(fx, fy, fz):
    """Trilinear weights of the eight corners, x fastest."""
    gx, gy, gz = float32(1) - fx, float32(1) - fy, float32(1) - fz
    a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
    return (gx * a, fx * a, gx * b, fx * b, gx * c, fx * c, gx * d, fx * d)


@kernel
def corner_slopes(fx, fy, fz, tx, ty, tz):
    """Derivatives of the eight weights along (tx, ty, tz), x fastest."""
    gx, gy, gz = float32(1) - fx, float32(1) - fy, float32(1) - fz
    a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
    da, db = -ty * gz - tz * gy, ty * gz - tz * fy
    dc, dd = -ty * fz + tz * gy, ty * fz + tz * fy
    return (gx * da - tx * a, fx * da + tx * a, gx * db - tx * b, fx * db + tx * b,
            gx * dc - tx * c, fx * dc + tx * c, gx * dd - tx * d, fx * dd + tx * d)  # fmt: skip
