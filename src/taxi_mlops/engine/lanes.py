"""Distances of one point to eight at a time, in vector instructions however short a slice is.

Most slices that the kernels look at hold a few dozen points. Left to itself, the compiler makes loops that take 32
points at once, and the rest, which is most of them, one by one. Here each eight points are one vector, and the last
vector of a slice is masked. LLVM turns the vectors into what the processor has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core.base import BaseContext
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LANES = 8
_BITS, _INT, _LONG = ir.IntType(LANES), ir.IntType(32), ir.IntType(64)
_DOUBLES, _INTS = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(_INT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


def _count_block(
    x: FloatArray, y: FloatArray, begin: int, left: int, at_x: float, at_y: float, scale: float, limit: float
) -> int:
    end = begin + min(left, LANES)
    dx, dy = x[begin:end] - at_x, y[begin:end] - at_y
    return int(np.count_nonzero(dy * dy + scale * (dx * dx) <= limit))


@intrinsic
def _count_block_in_vectors(  # numba passes types, to learn the type of the result and how to make the code
    context: Context,  # noqa: ARG001
    x: types.Array,
    y: types.Array,
    begin: types.Type,  # noqa: ARG001
    left: types.Type,  # noqa: ARG001
    at_x: types.Type,  # noqa: ARG001
    at_y: types.Type,  # noqa: ARG001
    scale: types.Type,  # noqa: ARG001
    limit: types.Type,  # noqa: ARG001
) -> tuple[Signature, object]:
    float64 = types.float64
    return types.int64(x, y, types.uintp, types.uintp, float64, float64, float64, float64), _generate


def _generate(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: tuple[ir.Value, ...]
) -> ir.Value:
    x, y, begin, left, at_x, at_y, scale, limit = arguments
    whole = builder.icmp_unsigned(">", left, _LONG(LANES))
    lanes = builder.trunc(builder.select(whole, _LONG(LANES), left), _INT)
    mask = builder.icmp_unsigned("<", _INTS(list(range(LANES))), _splat(builder, lanes, _INTS))
    differences = []
    for kind, array, at in zip(signature.args[:2], (x, y), (at_x, at_y), strict=True):
        start = context.make_array(kind)(context, builder, array).data  # type: ignore[no-untyped-call]
        values = _load(builder, builder.gep(start, [begin]), mask)
        differences.append(builder.fsub(values, _splat(builder, at, _DOUBLES)))
    dx, dy = differences
    scaled = builder.fmul(_splat(builder, scale, _DOUBLES), builder.fmul(dx, dx))
    squared = builder.fadd(builder.fmul(dy, dy), scaled)
    within = builder.and_(builder.fcmp_ordered("<=", squared, _splat(builder, limit, _DOUBLES)), mask)
    kind = ir.FunctionType(_BITS, [_BITS])
    count = get_or_insert_function(builder.module, kind, f"llvm.ctpop.i{LANES}")  # type: ignore[no-untyped-call]
    return builder.zext(builder.call(count, [builder.bitcast(within, _BITS)]), _LONG)


def _splat(builder: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> ir.Value:
    """Return a vector with one value in all lanes."""
    undefined = vector(ir.Undefined)
    first = builder.insert_element(undefined, value, _INT(0))
    return builder.shuffle_vector(first, undefined, _INTS([0] * LANES))


def _load(builder: ir.IRBuilder, start: ir.Value, mask: ir.Value) -> ir.Value:
    """Return the values from a pointer on; where the mask is off, memory is not touched, and the value zero."""
    start = builder.bitcast(start, _DOUBLES.as_pointer())
    kind = ir.FunctionType(_DOUBLES, [start.type, _INT, _MASK, _DOUBLES])
    load = get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f64.p0")  # type: ignore[no-untyped-call]
    return builder.call(load, [start, _INT(8), mask, _DOUBLES(None)])


count_block: Callable[..., int] = _count_block if config.DISABLE_JIT else _count_block_in_vectors  # type: ignore[attr-defined]
"""How many of the points begin:begin + left, but at most `LANES`, are within a distance of (at_x, at_y).

x, y: contiguous float64. The squared distance is (y − at_y)² + scale (x − at_x)², and `limit` is inclusive. In compiled
code, begin and left are of type uintp, and the rest float64.
"""
