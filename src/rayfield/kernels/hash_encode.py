"""Multiresolution hash encoding and its reverse, four features a level.

Instant-NGP (Mueller et al. 2022, arXiv:2201.05989), Sec. 3. Twin: `fields.hashgrid`.

Levels are the outer loop, so that one level's table stays in cache while a block of samples
passes. The reverse shares levels out among threads, so no two threads write one table.

Samples pass in groups of eight, one in each lane of a vector: cells, table rows and weights of a
group cost as much as those of one sample. Written as IR, because the compiler does not vectorise
loops over the columns of an array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import float32, types
from numba.core import cgutils
from numba.extending import intrinsic

from rayfield.kernels.jit import data_pointer, kernel, splat

FEATURES = 4
GROUP = 8  # samples that pass together
_PRIMES = (1, 2654435761, 805459861)
_CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]


class Levels(NamedTuple):
    """Layout of the tables: one row per level (arrays of length L, int64)."""

    resolution: np.ndarray
    first: np.ndarray
    entries: np.ndarray
    dense: np.ndarray


_INT, _LONG, _FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTS, _FLOATS = ir.VectorType(_INT, GROUP), ir.VectorType(_FLOAT, GROUP)
_ROW = ir.VectorType(_FLOAT, FEATURES)


def _constant(vector, value):
    return ir.Constant(vector, [value] * vector.count)


def _pick(builder, vector, lanes):
    """The vector made of these lanes of another one."""
    mask = ir.Constant(ir.VectorType(_INT, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _call(builder, name, *vectors):
    """An LLVM intrinsic on vectors of one type."""
    kind = vectors[0].type
    name = f"llvm.{name}.v{kind.count}f32"
    function = ir.FunctionType(kind, [v.type for v in vectors])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), vectors)


def _at(builder, base, element, kind):
    """Pointer to `kind` at a flat place behind a pointer to numbers."""
    return builder.bitcast(builder.gep(base, [element]), kind.as_pointer())


def _cells(builder, points, s, resolution):
    """Cells (ints) and offsets in them (floats) of a group of points, for each axis."""
    every = ir.VectorType(_FLOAT, 3 * GROUP)
    place = _at(builder, points, builder.mul(s, ir.Constant(_LONG, 3)), every)
    numbers = builder.load(place, align=4)
    scale = splat(builder, builder.sitofp(resolution, _FLOAT), _FLOATS)
    top = builder.fsub(scale, _constant(_FLOATS, 1.0))
    cells, offsets = [], []
    for axis in range(3):
        scaled = builder.fmul(_pick(builder, numbers, range(axis, 3 * GROUP, 3)), scale)
        inside = _call(builder, "maxnum", scaled, _constant(_FLOATS, 0.0))  # not a number: 0
        cell = builder.fptosi(_call(builder, "minnum", inside, top), _INTS)
        cells.append(cell)
        offsets.append(builder.fsub(scaled, builder.sitofp(cell, _FLOATS)))
    return cells, offsets


def _rows(builder, cells, resolution, entries, *, dense):
    """Table rows of the eight corners of a group of cells, x fastest."""
    if dense:
        side = splat(builder, builder.trunc(resolution, _INT), _INTS)
        side = builder.add(side, _constant(_INTS, 1))
        strides = (_constant(_INTS, 1), side, builder.mul(side, side))
        join, mask = builder.add, None
    else:
        strides = tuple(_constant(_INTS, prime) for prime in _PRIMES)
        mask = splat(builder, builder.trunc(entries, _INT), _INTS)
        join, mask = builder.xor, builder.sub(mask, _constant(_INTS, 1))
    low = [builder.mul(cell, stride) for cell, stride in zip(cells, strides, strict=True)]
    high = [builder.add(first, stride) for first, stride in zip(low, strides, strict=True)]
    found = []
    for corner in _CORNERS:
        x, y, z = (high[axis] if corner[axis] else low[axis] for axis in range(3))
        row = join(x, join(y, z))
        found.append(row if mask is None else builder.and_(row, mask))
    return found


def _weights(builder, offsets):
    """Trilinear weights of the eight corners of a group, x fastest."""
    far = [builder.fsub(_constant(_FLOATS, 1.0), offset) for offset in offsets]
    found = []
    for corner in _CORNERS:
        x, y, z = (offsets[axis] if corner[axis] else far[axis] for axis in range(3))
        found.append(builder.fmul(x, builder.fmul(y, z)))
    return found


def _places(builder, start, rows):
    """Table rows of a group, counted from the first level's."""
    index = builder.zext(rows, ir.VectorType(_LONG, GROUP))
    return builder.add(index, splat(builder, start, index.type))


def _gather(builder, table, rows):
    """Table rows of a group in half precision, as words of 64 bits.

    Becomes a gather instruction where the processor has a fast one, else eight loads.
    """
    words = ir.VectorType(_LONG, GROUP)
    size = _constant(words, 2 * FEATURES)
    base = splat(builder, builder.ptrtoint(table, _LONG), words)
    addresses = builder.add(base, builder.mul(rows, size))
    pointers = builder.inttoptr(addresses, ir.VectorType(_LONG.as_pointer(), GROUP))
    all_lanes = _constant(ir.VectorType(ir.IntType(1), GROUP), 1)
    name = f"llvm.masked.gather.v{GROUP}i64.v{GROUP}p0"
    kind = ir.FunctionType(words, [pointers.type, _INT, all_lanes.type, words])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    align = ir.Constant(_INT, 2)
    return builder.call(function, [pointers, align, all_lanes, _constant(words, 0)])


def _passing(dense, work):
    """An intrinsic f(table, start, resolution, entries, points, s, count, array, place, width).

    It locates the points s ... s + 7 and hands their corners to `work`.
    """

    def codegen(context, builder, signature, args):
        table, start, resolution, entries, points, s, count, array, place, width = args
        zero = ir.Constant(_LONG, 0)
        kinds = signature.args
        table, points, array = (
            data_pointer(context, builder, kinds[k], args[k], zero) for k in (0, 4, 7)
        )
        cells, offsets = _cells(builder, points, s, resolution)
        rows = _rows(builder, cells, resolution, entries, dense=dense)
        places = [builder.add(place, builder.mul(width, ir.Constant(_LONG, n)))
                  for n in range(GROUP)]  # fmt: skip
        rows = [_places(builder, start, row) for row in rows]
        work(builder, table, rows, _weights(builder, offsets), (array, places, count))
        return context.get_dummy_value()

    @intrinsic
    def passing(typing, table, start, resolution, entries, points, s, count, array, place, width):
        n = types.intp
        return types.void(table, n, n, n, points, n, n, array, n, n), codegen

    return passing


def _counted(builder, lane, count):
    """A block for lanes that hold one of `count` samples."""
    return builder.if_then(builder.icmp_signed("<", ir.Constant(_LONG, lane), count))


def _blend(builder, table, rows, weights, samples):
    """Store each sample's sum_k weights[k] * table row k; the table holds half precision."""
    out, places, count = samples
    halves = ir.VectorType(ir.HalfType(), GROUP * FEATURES)
    numbers = ir.VectorType(_FLOAT, GROUP * FEATURES)
    total = _constant(numbers, 0.0)
    for row, weight in zip(rows, weights, strict=True):
        found = builder.bitcast(_gather(builder, table, row), halves)
        spread = _pick(builder, weight, [n // FEATURES for n in range(numbers.count)])
        total = _call(builder, "fmuladd", spread, builder.fpext(found, numbers), total)
    for lane, place in enumerate(places):
        own = _pick(builder, total, range(lane * FEATURES, (lane + 1) * FEATURES))
        with _counted(builder, lane, count):
            builder.store(own, _at(builder, out, place, _ROW), align=4)


def _spread(builder, table, rows, weights, samples):
    """Add weights[k] times each sample's four numbers to its table row k, sample by sample."""
    source, places, count = samples
    for lane, place in enumerate(places):
        with _counted(builder, lane, count):
            value = builder.load(_at(builder, source, place, _ROW), align=4)
            for row, weight in zip(rows, weights, strict=True):
                own = builder.extract_element(row, ir.Constant(_INT, lane))
                element = builder.mul(own, ir.Constant(_LONG, FEATURES))
                target = _at(builder, table, element, _ROW)
                scale = _pick(builder, weight, [lane] * FEATURES)
                added = _call(builder, "fmuladd", scale, value, builder.load(target, align=4))
                builder.store(added, target, align=4)


_blend_dense, _blend_hashed = (_passing(dense, _blend) for dense in (True, False))
_spread_dense, _spread_hashed = (_passing(dense, _spread) for dense in (True, False))


@kernel
def encode(table, levels, points, first, last, out):
    """out[s, 4l : 4l + 4] = interpolated features of points[s] in [0, 1]^3, first <= s < last.

    Columns of levels that are not in `levels` are set to zero. The points need storage for a
    whole last group.
    """
    width, active = out.shape[1], levels.resolution.shape[0]
    for s in range(first, last):
        for k in range(active * FEATURES, width):
            out[s, k] = float32(0)
    for level in range(active):
        resolution, entries = levels.resolution[level], levels.entries[level]
        start, column = levels.first[level], level * FEATURES
        if levels.dense[level]:
            for s in range(first, last, GROUP):
                _blend_dense(table, start, resolution, entries, points, s, last - s,
                             out, s * width + column, width)  # fmt: skip
        else:
            for s in range(first, last, GROUP):
                _blend_hashed(table, start, resolution, entries, points, s, last - s,
                              out, s * width + column, width)  # fmt: skip


@kernel
def scatter(gradient, levels, level, points, first, last, reverse):
    """Add to the level's part of `gradient` the reverse of `encode` for reverse[s, 4l : 4l + 4].

    The points need storage for a whole last group.
    """
    width = reverse.shape[1]
    resolution, entries = levels.resolution[level], levels.entries[level]
    start, column = levels.first[level], level * FEATURES
    if levels.dense[level]:
        for s in range(first, last, GROUP):
            _spread_dense(gradient, start, resolution, entries, points, s, last - s,
                          reverse, s * width + column, width)  # fmt: skip
    else:
        for s in range(first, last, GROUP):
            _spread_hashed(gradient, start, resolution, entries, points, s, last - s,
                           reverse, s * width + column, width)  # fmt: skip
