"""How kernels are compiled, and the one atomic that hands out work.

Kernels release the interpreter lock and take plain arrays; `kernels.pool` runs them on threads.
Fast-math is limited to re-association and contraction: NaN and infinity keep their meaning, so
that a broken step can be detected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable)

_FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


def kernel(function: F) -> F:
    """Compile `function` on first call, cached on disk for later processes."""
    jit = numba.njit(
        cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy", boundscheck=False
    )
    compiled: F = jit(function)
    return compiled


@intrinsic
def take_ticket(typingctx, counter):
    """Return counter[0] and add one to it, atomically: `int64[1] -> int64`."""

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", array.data, one, "monotonic")

    return types.int64(counter), codegen


def data_pointer(context, builder, array_type, array, offset):
    """Address of element `offset` of a float32 array, as IR."""
    base = context.make_array(array_type)(context, builder, array).data
    return builder.gep(base, [offset])


def splat(builder, value, vector):
    """A vector, of IR type `vector`, whose lanes all hold `value`."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, lanes)
