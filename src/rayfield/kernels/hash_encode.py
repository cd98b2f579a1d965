"""Multiresolution hash encoding and its reverse, four features a level.

Instant-NGP (Mueller et al. 2022, arXiv:2201.05989), Sec. 3. Twin: `fields.hashgrid`.

Levels are the outer loop, so that one level's table stays in cache while a block of samples
passes. The reverse shares levels out among threads, so no two threads write one table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import float32, types, uint32
from numba.core import cgutils
from numba.extending import intrinsic

from rayfield.kernels.jit import data_pointer, kernel, splat

FEATURES = 4
_PRIME_Y = np.uint32(2654435761)
_PRIME_Z = np.uint32(805459861)


class Levels(NamedTuple):
    """Layout of the tables: one row per level (arrays of length L, int64)."""

    resolution: np.ndarray
    first: np.ndarray
    entries: np.ndarray
    dense: np.ndarray


@kernel
def _cell(resolution, x):
    """Cell index and offset in [0, 1] of coordinate x in [0, 1] at this resolution."""
    scaled = x * float32(resolution)
    index = min(max(int(scaled), 0), resolution - 1)
    return uint32(index), scaled - float32(index)


@kernel
def _corners(resolution, entries, dense, ix, iy, iz):
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


_FOUR = ir.VectorType(ir.FloatType(), FEATURES)
_HALF = ir.VectorType(ir.HalfType(), FEATURES)


def _row(context, builder, array_type, array, element, kind=_FOUR):
    """Pointer to the four numbers at `element` (a multiple of 4) of an array."""
    place = data_pointer(context, builder, array_type, array, element)
    return builder.bitcast(place, kind.as_pointer())


@intrinsic
def _blend(typing, table, start, rows, weights, out, place):
    """out[place : place + 4] = sum_k weights[k] * table row (start + rows[k]); flat places."""

    def codegen(context, builder, signature, args):
        table, start, rows, weights, out, place = args
        total = ir.Constant(_FOUR, [0.0] * FEATURES)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FOUR, [_FOUR] * 3), "llvm.fmuladd.v4f32"
        )
        for k in range(8):
            index = builder.zext(builder.extract_value(rows, k), ir.IntType(64))
            element = builder.shl(builder.add(start, index), ir.Constant(index.type, 2))
            place_k = _row(context, builder, signature.args[0], table, element, _HALF)
            row = builder.fpext(builder.load(place_k, align=2), _FOUR)
            weight = splat(builder, builder.extract_value(weights, k), _FOUR)
            total = builder.call(fma, [weight, row, total])
        builder.store(total, _row(context, builder, signature.args[4], out, place), align=4)
        return context.get_dummy_value()

    return types.void(table, types.intp, rows, weights, out, types.intp), codegen


@intrinsic
def _spread(typing, table, start, rows, weights, source, place):
    """table row (start + rows[k]) += weights[k] * source[place : place + 4], for the 8 corners."""

    def codegen(context, builder, signature, args):
        table, start, rows, weights, source, place = args
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FOUR, [_FOUR] * 3), "llvm.fmuladd.v4f32"
        )
        value = builder.load(_row(context, builder, signature.args[4], source, place), align=4)
        for k in range(8):
            index = builder.zext(builder.extract_value(rows, k), ir.IntType(64))
            element = builder.shl(builder.add(start, index), ir.Constant(index.type, 2))
            row = _row(context, builder, signature.args[0], table, element)
            weight = splat(builder, builder.extract_value(weights, k), _FOUR)
            builder.store(
                builder.call(fma, [weight, value, builder.load(row, align=4)]), row, align=4
            )
        return context.get_dummy_value()

    return types.void(table, types.intp, rows, weights, source, types.intp), codegen


@kernel
def _weights(fx, fy, fz):
    """Trilinear weights of the eight corners, x fastest."""
    gx, gy, gz = float32(1) - fx, float32(1) - fy, float32(1) - fz
    a, b, c, d = gy * gz, fy * gz, gy * fz, fy * fz
    return (gx * a, fx * a, gx * b, fx * b, gx * c, fx * c, gx * d, fx * d)


@kernel
def encode(table, levels, points, first, last, out):
    """out[s, 4l : 4l + 4] = interpolated features of points[s] in [0, 1]^3, first <= s < last.

    Columns of levels that are not in `levels` are set to zero.
    """
    width, active = out.shape[1], levels.resolution.shape[0]
    for s in range(first, last):
        for k in range(active * FEATURES, width):
            out[s, k] = float32(0)
    for level in range(active):
        resolution, entries = levels.resolution[level], levels.entries[level]
        dense, start = levels.dense[level], levels.first[level]
        for s in range(first, last):
            ix, fx = _cell(resolution, points[s, 0])
            iy, fy = _cell(resolution, points[s, 1])
            iz, fz = _cell(resolution, points[s, 2])
            rows = _corners(resolution, entries, dense, ix, iy, iz)
            _blend(table, start, rows, _weights(fx, fy, fz), out, s * width + level * FEATURES)


@kernel
def scatter(gradient, levels, level, points, first, last, reverse):
    """Add to the level's part of `gradient` the reverse of `encode` for reverse[s, 4l : 4l + 4]."""
    width = reverse.shape[1]
    resolution, entries = levels.resolution[level], levels.entries[level]
    dense, start = levels.dense[level], levels.first[level]
    for s in range(first, last):
        ix, fx = _cell(resolution, points[s, 0])
        iy, fy = _cell(resolution, points[s, 1])
        iz, fz = _cell(resolution, points[s, 2])
        rows = _corners(resolution, entries, dense, ix, iy, iz)
        _spread(gradient, start, rows, _weights(fx, fy, fz), reverse, s * width + level * FEATURES)
