"""Distances of one point to eight or sixteen at a time, in vector instructions however short a slice is.

Most slices that the kernels look at hold a few dozen points. Left to itself, the compiler makes loops that take 32
points at once, and the rest, which is most of them, one by one. Here each eight points, sixteen in single precision,
are one vector, and the last vector of a slice is masked. LLVM turns the vectors into what the processor has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core.base import BaseContext
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numpy.typing import NDArray

RealArray = NDArray[np.floating[Any]]
Real = float | np.floating[Any]

LANES = 8
"""Of float64; of float32 there are twice as many."""
_INT, _LONG = ir.IntType(32), ir.IntType(64)


def _count_block(
    x: RealArray, y: RealArray, begin: int, left: int, at_x: Real, at_y: Real, scale: Real, limit: Real
) -> int:
    end = begin + min(left, LANES * 8 // x.itemsize)
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
    real = x.dtype
    return types.int64(x, y, types.uintp, types.uintp, real, real, real, real), _generate


def _generate(
    context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: tuple[ir.Value, ...]
) -> ir.Value:
    x, y, begin, left, at_x, at_y, scale, limit = arguments
    lanes = LANES if signature.args[0].dtype == types.float64 else 2 * LANES
    reals = ir.VectorType(at_x.type, lanes)
    whole = builder.icmp_unsigned(">", left, _LONG(lanes))
    masked = builder.trunc(builder.select(whole, _LONG(lanes), left), _INT)
    numbers = ir.VectorType(_INT, lanes)(list(range(lanes)))
    mask = builder.icmp_unsigned("<", numbers, _splat(builder, masked, lanes))
    differences = []
    for kind, array, at in zip(signature.args[:2], (x, y), (at_x, at_y), strict=True):
        start = context.make_array(kind)(context, builder, array).data  # type: ignore[no-untyped-call]
        values = _load(builder, builder.gep(start, [begin]), reals, mask)
        differences.append(builder.fsub(values, _splat(builder, at, lanes)))
    dx, dy = differences
    scaled = builder.fmul(_splat(builder, scale, lanes), builder.fmul(dx, dx))
    squared = builder.fadd(builder.fmul(dy, dy), scaled)
    within = builder.and_(builder.fcmp_ordered("<=", squared, _splat(builder, limit, lanes)), mask)
    bits = ir.IntType(lanes)
    kind = ir.FunctionType(bits, [bits])
    count = get_or_insert_function(builder.module, kind, f"llvm.ctpop.i{lanes}")  # type: ignore[no-untyped-call]
    return builder.zext(builder.call(count, [builder.bitcast(within, bits)]), _LONG)


def _splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """Return a vector with one value in all lanes."""
    undefined = ir.VectorType(value.type, lanes)(ir.Undefined)
    first = builder.insert_element(undefined, value, _INT(0))
    return builder.shuffle_vector(first, undefined, ir.VectorType(_INT, lanes)([0] * lanes))


def _load(builder: ir.IRBuilder, start: ir.Value, vector: ir.VectorType, mask: ir.Value) -> ir.Value:
    """Return the values from a pointer on; where the mask is off, memory is not touched, and the value zero."""
    width = 64 if isinstance(vector.element, ir.DoubleType) else 32
    start = builder.bitcast(start, vector.as_pointer())
    kind = ir.FunctionType(vector, [start.type, _INT, mask.type, vector])
    name = f"llvm.masked.load.v{vector.count}f{width}.p0"
    load = get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(load, [start, _INT(width // 8), mask, vector(None)])


count_block: Callable[..., int] = _count_block if config.DISABLE_JIT else _count_block_in_vectors  # type: ignore[attr-defined]
"""How many of the points begin:begin + left, but at most of as many as lanes, are within a distance of (at_x, at_y).

x, y: contiguous, both float64 or both float32. The squared distance is (y − at_y)² + scale (x − at_x)², and `limit` is
inclusive. In compiled code, begin and left are of type uintp, and the rest are of the type of the points.
"""
