"""How kernels are compiled: once for all points in float64, lazily, and cached on disk.

What a first call compiles is what a user waits for. numba's time is in every function, every statement and every type
of an argument, so each kernel has one: metrics differ by values, not by types; indices of points in vector loops are
unsigned, always; and builtin and numpy functions that numba would compile from Python (`min`, `np.searchsorted`, an
assignment to a slice) stay out of kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, njit, types
from numba.core.base import BaseContext
from numba.core.cpu import CPUTargetOptions
from numba.core.typing.context import Context
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from haversine_dbscan.code_cache import CodeCache

_COMPILING = not config.DISABLE_JIT  # type: ignore[attr-defined]
"""Else functions stay those of Python."""
KERNELS: list[Any] = []
"""The dispatchers of numba of all kernels whose modules were imported."""
_Function = TypeVar("_Function", bound=Callable[..., Any])
# All options are given, as numba hands those that are not down to what a function calls.
_KERNEL: dict[str, Any] = {
    "nogil": True,
    "no_cfunc_wrapper": True,
    "no_cpython_wrapper": False,
    "forceinline": False,
    "error_model": "numpy",
    "no_rewrites": True,
    "_nrt": False,
}
"""References to arrays are not counted: Python holds them as long as a kernel runs."""
_INNER = _KERNEL | {"no_cpython_wrapper": True}
"""Without an entry for Python, which is a good part of what is compiled."""
_INLINED = _INNER | {"forceinline": True}
_MERGED = _INNER | {"inline": "always"}
_ALLOCATING = _INNER | {"_nrt": True}


def kernel(function: _Function) -> _Function:
    """Compile a function that Python calls, and that makes no array; keep it on disk."""
    compiled: Any = _compiled(function, _KERNEL)
    if _COMPILING:
        compiled._cache = CodeCache(function)
        KERNELS.append(compiled)
    return cast(_Function, compiled)


def allocating(function: _Function) -> _Function:
    """Compile a function that only kernels call, and that makes arrays."""
    return _for_kernels(function, _ALLOCATING)


def inner(function: _Function) -> _Function:
    """Compile a function that only kernels call, and that makes no array."""
    return _for_kernels(function, _INNER)


def inlined(function: _Function) -> _Function:
    """Compile a function, which makes no array, into each kernel that calls it."""
    return _for_kernels(function, _INLINED)


def merged(function: _Function) -> _Function:
    """Make a function, which makes no array, a part of the only kernel that calls it, before that is compiled."""
    return _for_kernels(function, _MERGED)


def _for_kernels(function: _Function, options: dict[str, Any]) -> _Function:
    """Compile a function without an entry for Python: a call from there, which would crash, raises TypeError."""

    def refuse(*_: object, **__: object) -> None:
        raise TypeError(f"{function.__name__} has no entry for Python: call it from compiled code")

    compiled: Any = _compiled(function, options)
    if _COMPILING:
        # numba looks a call from Python up in what was inserted, and compiles what it does not find.
        compiled._insert = lambda *_, **__: None
        compiled._compile_for_args = refuse
    return cast(_Function, compiled)


def _compiled(function: _Function, options: dict[str, Any]) -> _Function:
    # Some options are not documented: a numba that has none of that name does without.
    known = {name: value for name, value in options.items() if hasattr(CPUTargetOptions, name)}
    compiled: _Function = njit(**known)(function)
    return compiled


@intrinsic
def _never_inlined(context: Context) -> tuple[Signature, object]:  # noqa: ARG001
    return types.void(), _generate


def _generate(
    context: BaseContext,
    builder: ir.IRBuilder,
    signature: Signature,  # noqa: ARG001
    arguments: tuple[ir.Value, ...],  # noqa: ARG001
) -> ir.Value:
    builder.function.attributes.add("noinline")
    return context.get_dummy_value()  # type: ignore[no-untyped-call]


never_inlined: Callable[[], None] = _never_inlined if _COMPILING else lambda: None  # type: ignore[assignment]
"""Called in compiled code, it keeps that function apart from those that call it, whatever LLVM thinks of its size.

For what is rarely called: LLVM would take a sine out of the loop that hardly ever needs it.
"""
