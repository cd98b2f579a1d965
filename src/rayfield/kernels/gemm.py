"""Small matrix products for narrow MLPs, at the speed of a BLAS.

Twin: `a @ b` of torch (tests/kernels/test_gemm.py).

Activations are sample-major, `[samples, features]`. One register-blocked micro-kernel serves the
three products an MLP needs, because the left operand is addressed by two strides:

    forward          Y[s, o]  = sum_i  X[s, i] Wt[i, o]
    input gradient   dX[s, i] = sum_o dY[s, o]  W[o, i]
    weight gradient  dW[o, i] = sum_s dY[s, o]  X[s, i]

LLVM's vectoriser does not keep a block of accumulators in registers over the inner loop, so the
micro-kernel is written as vector IR. LLVM lowers it to whatever the processor has.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rayfield.kernels.jit import data_pointer, kernel, splat

STORE, RELU, MASK, ADD, ADD_RELU = range(5)
ROWS = 8  # rows of the micro-kernel; sample counts are padded up to a multiple of it

_wide = llvm.get_host_cpu_features().get("avx512f", False)
LANES = 16 if _wide else 8
BLOCK = 2 if _wide else 1  # vectors per row: 2 only where 32 registers hold the accumulators

_FLOAT = ir.FloatType()


def _micro_kernel(rows, vectors, lanes, epilogue):
    """An intrinsic that computes a [rows, vectors * lanes] block of C.

    Called as f(C, c, c_row, A, a, a_row, a_col, B, b, b_row, M, m, m_row, depth): arrays with
    the offset of the block's first element and their strides, all in elements. The epilogue
    stores, stores max(., 0), stores where M > 0 and zero elsewhere, adds to C, or stores
    max(C + ., 0).
    """
    vector = ir.VectorType(_FLOAT, lanes)
    zero = ir.Constant(vector, [0.0] * lanes)

    def codegen(context, builder, signature, args):
        c, c_row, a, a_row, a_col, b, b_row, m, m_row, depth = _operands(
            context, builder, signature, args
        )
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{lanes}f32"
        )
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)]
                for _ in range(rows)]  # fmt: skip

        def element(base, row, stride, column, kind=vector):
            offset = builder.add(builder.mul(row, stride), column)
            return builder.bitcast(builder.gep(base, [offset]), kind.as_pointer())

        def index(value):
            return ir.Constant(depth.type, value)

        with cgutils.for_range(builder, depth) as loop:
            right = [
                builder.load(element(b, loop.index, b_row, index(v * lanes)), align=4)
                for v in range(vectors)
            ]
            for r in range(rows):
                place = element(a, index(r), a_row, builder.mul(loop.index, a_col), _FLOAT)
                left = splat(builder, builder.load(place, align=4), vector)
                for v in range(vectors):
                    total = builder.call(fma, [left, right[v], builder.load(sums[r][v])])
                    builder.store(total, sums[r][v])
        for r in range(rows):
            for v in range(vectors):
                place = element(c, index(r), c_row, index(v * lanes))
                value = builder.load(sums[r][v])
                if epilogue in (ADD, ADD_RELU):
                    value = builder.fadd(builder.load(place, align=4), value)
                if epilogue in (RELU, ADD_RELU):
                    keep = builder.fcmp_ordered(">", value, zero)
                    value = builder.select(keep, value, zero)
                elif epilogue == MASK:
                    other = element(m, index(r), m_row, index(v * lanes))
                    mask = builder.load(other, align=4)
                    value = builder.select(builder.fcmp_ordered(">", mask, zero), value, zero)
                builder.store(value, place, align=4)
        return context.get_dummy_value()

    @intrinsic
    def micro(typing, C, c, c_row, A, a, a_row, a_col, B, b, b_row, M, m, m_row, depth):
        i = types.intp
        return types.void(C, i, i, A, i, i, i, B, i, i, M, i, i, i), codegen

    return micro


def _operands(context, builder, signature, args):
    """Unpack the arguments of a micro-kernel: pointers to the blocks, and the strides."""
    (C, c, c_row, A, a, a_row, a_col, B, b, b_row, M, m, m_row, depth) = args
    t = signature.args

    def point(k, array, at):
        return data_pointer(context, builder, t[k], array, at)

    return (point(0, C, c), c_row, point(3, A, a), a_row, a_col, point(7, B, b), b_row,
            point(10, M, m), m_row, depth)  # fmt: skip


_STRIP = BLOCK * LANES
_TAIL = 8  # every width is a multiple of it


def _product(epilogue):
    """A compiled product C = A B whose epilogue is fixed.

    f(C, c, c_row, A, a, a_row, a_col, B, b, b_row, M, m, m_row, rows, columns, depth): rows is
    rounded up to a multiple of ROWS, so C, A and M need that many rows of storage.
    """
    strip = _micro_kernel(ROWS, BLOCK, LANES, epilogue)
    middle = _micro_kernel(ROWS, 1, LANES, epilogue)
    tail = _micro_kernel(ROWS, 1, _TAIL, epilogue)

    @kernel
    def product(C, c, c_row, A, a, a_row, a_col, B, b, b_row, M, m, m_row, rows, columns, depth):
        for r in range(0, rows, ROWS):
            cr, ar, mr = c + r * c_row, a + r * a_row, m + r * m_row
            n = 0
            while n + _STRIP <= columns:
                strip(C, cr + n, c_row, A, ar, a_row, a_col, B, b + n, b_row,
                      M, mr + n, m_row, depth)  # fmt: skip
                n += _STRIP
            while LANES > _TAIL and n + LANES <= columns:
                middle(C, cr + n, c_row, A, ar, a_row, a_col, B, b + n, b_row,
                       M, mr + n, m_row, depth)  # fmt: skip
                n += LANES
            while n < columns:
                tail(C, cr + n, c_row, A, ar, a_row, a_col, B, b + n, b_row,
                     M, mr + n, m_row, depth)  # fmt: skip
                n += _TAIL

    return product


_store, _relu, _mask, _add, _add_relu = (
    _product(epilogue) for epilogue in (STORE, RELU, MASK, ADD, ADD_RELU)
)


@kernel
def layer(Y, y, X, x, Wt, count, relu):
    """Y[y : y + count, :out] = X[x : x + count, :in] Wt, with max(., 0) if `relu`.

    Y, X are row-major and at least as wide as out, in; Wt is [in, out].
    """
    inputs, outputs = Wt.shape
    ys, xs = Y.shape[1], X.shape[1]
    if relu:
        _relu(Y, y * ys, ys, X, x * xs, xs, 1, Wt, 0, outputs, Y, 0, 0, count, outputs, inputs)
    else:
        _store(Y, y * ys, ys, X, x * xs, xs, 1, Wt, 0, outputs, Y, 0, 0, count, outputs, inputs)


@kernel
def layer_onto(Y, y, X, x, Wt, count):
    """Y[y : y + count] = max(Y[y : y + count] + X[x : x + count] Wt, 0); arguments as of `layer`.

    Rows of Y are as wide as out, and those of X as in.
    """
    inputs, outputs = Wt.shape
    _add_relu(Y, y * outputs, outputs, X, x * inputs, inputs, 1, Wt, 0, outputs, Y, 0, 0,
              count, outputs, inputs)  # fmt: skip


@kernel
def add_outer(dW, dY, dy, X, x, count):
    """dW += dY[dy : dy + count]^T X[x : x + count], the weights' part of `layer_backward`."""
    outputs, inputs = dW.shape
    xs, ys = X.shape[1], dY.shape[1]
    _add(dW, 0, inputs, dY, dy * ys, 1, ys, X, x * xs, xs, X, 0, 0, outputs, inputs, count)


@kernel
def layer_backward(dX, dx, dY, dy, W, X, x, columns, count, dW, relu):
    """Reverse of `layer` on `count` rows: dX = dY W (zero where X <= 0 if `relu`); adds to dW.

    dx, dy, x are the first rows; W and dW are [out, in]; the first `columns` entries of dX rows
    are written (0: none). dX may not be X's storage.
    """
    outputs, inputs = W.shape
    xs, ys, ds = X.shape[1], dY.shape[1], dX.shape[1]
    add_outer(dW, dY, dy, X, x, count)
    if relu:
        _mask(dX, dx * ds, ds, dY, dy * ys, ys, 1, W, 0, inputs, X, x * xs, xs,
              count, columns, outputs)  # fmt: skip
    else:
        _store(dX, dx * ds, ds, dY, dy * ys, ys, 1, W, 0, inputs, X, 0, 0,
               count, columns, outputs)  # fmt: skip
