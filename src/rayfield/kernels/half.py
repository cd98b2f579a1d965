"""Numbers in half precision. Twin: Tensor.half of torch (tests/kernels/test_half.py).

Every step converts a whole table, which is as fast as memory when all threads do it.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rayfield.kernels.jit import data_pointer, kernel, take_ticket

LINE = 16  # numbers converted together
_BLOCK = 1 << 16


@intrinsic
def _convert(typing, source, target, place):
    """The line at flat place `place` of float32 numbers as the bits of halves, nearest even."""

    def codegen(context, builder, signature, args):
        place = args[2]
        floats, halves = (ir.VectorType(kind(), LINE) for kind in (ir.FloatType, ir.HalfType))
        start, end = (
            data_pointer(context, builder, signature.args[k], args[k], place) for k in (0, 1)
        )
        line = builder.load(builder.bitcast(start, floats.as_pointer()), align=4)
        line = builder.fptrunc(line, halves)
        builder.store(line, builder.bitcast(end, halves.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(source, target, types.intp), codegen


@kernel
def to_half(ticket, source, target):
    """target = source in half precision, as bits (int16); flat, of a whole number of lines."""
    total = source.shape[0]
    while True:
        first = take_ticket(ticket) * _BLOCK
        if first >= total:
            break
        for place in range(first, min(first + _BLOCK, total), LINE):
            _convert(source, target, place)
