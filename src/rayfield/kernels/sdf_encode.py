"""Hash-grid features together with their spatial derivatives, and the reverse of both.

Twin: `fields.hashgrid` under automatic differentiation. Tables are read in single precision: a
distance has to be smooth over a cell, where half precision already shows as steps.
"""

from __future__ import annotations

from llvmlite import ir
from numba import float32, types
from numba.extending import intrinsic

from rayfield.kernels.corners import (
    FOUR,
    cell,
    corner_rows,
    corner_slopes,
    corner_weights,
    row_pointer,
)
from rayfield.kernels.hash_encode import FEATURES
from rayfield.kernels.jit import kernel, splat


def _interpolate(derivatives):
    """An intrinsic that blends the eight corners of a cell, for four features at once.

    f(table, start, rows, offsets, scale, out, place, jacobian, at, width): writes the value to
    out[place : place + 4]; with `derivatives` also scale * d value / d offset along x, y, z to
    jacobian[at], jacobian[at + width], jacobian[at + 2 width]. Places are flat.
    """

    def codegen(context, builder, signature, args):
        table, start, rows, offsets, scale, out, place, jacobian, at, width = args
        x, y, z = (splat(builder, builder.extract_value(offsets, k), FOUR) for k in range(3))

        def corner(k):
            index = builder.zext(builder.extract_value(rows, k), ir.IntType(64))
            element = builder.shl(builder.add(start, index), ir.Constant(index.type, 2))
            row = row_pointer(context, builder, signature.args[0], table, element)
            return builder.load(row, align=4)

        def mix(pair, weight):
            low, high = pair
            step = builder.fsub(high, low)
            return builder.fadd(low, builder.fmul(weight, step)), step

        def store(value, array, k, element):
            builder.store(value, row_pointer(context, builder, signature.args[k], array, element),
                          align=4)  # fmt: skip

        along_x = [mix((corner(k), corner(k + 1)), x) for k in (0, 2, 4, 6)]
        values, steps_x = zip(*along_x, strict=True)
        along_y = [mix((values[k], values[k + 1]), y) for k in (0, 2)]
        value, slope_z = mix((along_y[0][0], along_y[1][0]), z)
        store(value, out, 5, place)
        if derivatives:
            slope_y, _ = mix((along_y[0][1], along_y[1][1]), z)
            halves = [mix((steps_x[k], steps_x[k + 1]), y)[0] for k in (0, 2)]
            slope_x, _ = mix((halves[0], halves[1]), z)
            factor, element = splat(builder, scale, FOUR), at
            for slope in (slope_x, slope_y, slope_z):
                store(builder.fmul(factor, slope), jacobian, 7, element)
                element = builder.add(element, width)
        return context.get_dummy_value()

    @intrinsic
    def blend(typing, table, start, rows, offsets, scale, out, place, jacobian, at, width):
        i = types.intp
        return types.void(table, i, rows, offsets, types.float32, out, i, jacobian, i, i), codegen

    return blend


_value, _value_and_slopes = _interpolate(False), _interpolate(True)


@intrinsic
def _spread(typing, table, start, rows, weights, source, place, slopes, other, at):
    """table row (start + rows[k]) += weights[k] source[place...] + slopes[k] other[at...]."""

    def codegen(context, builder, signature, args):
        table, start, rows, weights, source, place, slopes, other, at = args

        def four(k, array, element):
            return row_pointer(context, builder, signature.args[k], array, element)

        value = builder.load(four(4, source, place), align=4)
        second = builder.load(four(7, other, at), align=4)
        for k in range(8):
            index = builder.zext(builder.extract_value(rows, k), ir.IntType(64))
            element = builder.shl(builder.add(start, index), ir.Constant(index.type, 2))
            row = four(0, table, element)
            total = builder.load(row, align=4)
            for factors, vector in ((weights, value), (slopes, second)):
                factor = splat(builder, builder.extract_value(factors, k), FOUR)
                total = builder.fadd(total, builder.fmul(factor, vector))
            builder.store(total, row, align=4)
        return context.get_dummy_value()

    i = types.intp
    return types.void(table, i, rows, weights, source, i, slopes, other, i), codegen


@kernel
def encode(table, levels, points, first, last, out, row):
    """out[row + k, 4l : 4l + 4] = features of points[first + k]; columns beyond `levels` are 0."""
    width, active = out.shape[1], levels.resolution.shape[0]
    for s in range(row, row + last - first):
        for k in range(active * FEATURES, width):
            out[s, k] = float32(0)
    for level in range(active):
        resolution, entries = levels.resolution[level], levels.entries[level]
        dense, start = levels.dense[level], levels.first[level]
        for s in range(first, last):
            ix, fx = cell(resolution, points[s, 0])
            iy, fy = cell(resolution, points[s, 1])
            iz, fz = cell(resolution, points[s, 2])
            rows = corner_rows(resolution, entries, dense, ix, iy, iz)
            place = (row + s - first) * width + level * FEATURES
            _value(table, start, rows, (fx, fy, fz), float32(0), out, place, out, 0, 0)


@kernel
def encode_with_slopes(table, levels, points, first, last, out, jacobian):
    """`encode` into rows first..last, and jacobian[s, k W : (k + 1) W] = d out[s] / d points[s, k].

    W is the width of `out`.
    """
    width, active = out.shape[1], levels.resolution.shape[0]
    for s in range(first, last):
        for k in range(active * FEATURES, width):
            out[s, k] = float32(0)
            for axis in range(3):
                jacobian[s, axis * width + k] = float32(0)
    for level in range(active):
        resolution, entries = levels.resolution[level], levels.entries[level]
        dense, start = levels.dense[level], levels.first[level]
        scale = float32(resolution)
        for s in range(first, last):
            ix, fx = cell(resolution, points[s, 0])
            iy, fy = cell(resolution, points[s, 1])
            iz, fz = cell(resolution, points[s, 2])
            rows = corner_rows(resolution, entries, dense, ix, iy, iz)
            place = s * width + level * FEATURES
            at = 3 * s * width + level * FEATURES
            _value_and_slopes(table, start, rows, (fx, fy, fz), scale, out, place,
                              jacobian, at, width)  # fmt: skip


@kernel
def scatter(gradient, levels, level, points, tangent, total, d_out, d_slopes):
    """Add to a level's part of `gradient` the reverse of `encode_with_slopes`.

    For sum_s out[s] . d_out[s] + (jacobian[s] tangent[s]) . d_slopes[s]: d_out [S, W], tangent
    [S, 3], d_slopes in the first W columns of its rows.
    """
    width, stride = d_out.shape[1], d_slopes.shape[1]
    resolution, entries = levels.resolution[level], levels.entries[level]
    dense, start = levels.dense[level], levels.first[level]
    scale = float32(resolution)
    for s in range(total):
        ix, fx = cell(resolution, points[s, 0])
        iy, fy = cell(resolution, points[s, 1])
        iz, fz = cell(resolution, points[s, 2])
        rows = corner_rows(resolution, entries, dense, ix, iy, iz)
        slopes = corner_slopes(
            fx, fy, fz, tangent[s, 0] * scale, tangent[s, 1] * scale, tangent[s, 2] * scale
        )
        column = level * FEATURES
        _spread(gradient, start, rows, corner_weights(fx, fy, fz), d_out, s * width + column,
                slopes, d_slopes, s * stride + column)  # fmt: skip
