"""The compiled code of a kernel on disk, for the next process."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, InTreeCacheLocator


class _BesideSources(InTreeCacheLocator):
    """`__pycache__` of this package, whether it can be written or not."""

    def ensure_cache_path(self) -> None:
        """Accept the folder as it is."""


class _Implementation(CompileResultCacheImpl):
    _locator_classes: ClassVar = [*CompileResultCacheImpl._locator_classes, _BesideSources]  # type: ignore[misc]


class CodeCache(FunctionCache):
    """The cache of numba, which looks at the sources of the whole package, and which needs no folder to write to.

    A kernel is compiled with all that it calls: so its code is old where any file of the package changed. Code is
    written to NUMBA_CACHE_DIR or, without that, to `__pycache__` or the cache of the user; it is looked for there, and
    then in `__pycache__`, where the build of an image may have left it. What cannot be written is compiled again by the
    next process.
    """

    _impl_class = _Implementation

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self.failure: OSError | None = None
        """Why code could not be written."""

    def load_overload(self, sig: object, target_context: Any) -> object:  # noqa: ANN401 - numba has no type for it
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except OSError:
            return None

    def save_overload(self, sig: object, data: object) -> None:
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            self.failure = error

    def _load_overload(self, sig: object, target_context: Any) -> object:  # noqa: ANN401
        found = super()._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if found is None:
            key = self._index_key(sig, target_context.codegen())
            data = self._beside_sources().load(key)  # type: ignore[no-untyped-call]
            found = None if data is None else self._impl.rebuild(target_context, data)
        return found

    def _beside_sources(self) -> IndexDataCacheFile:
        beside = _BesideSources(self._py_func, inspect.getfile(self._py_func))  # type: ignore[no-untyped-call]
        folder, stamp = beside.get_cache_path(), beside.get_source_stamp()  # type: ignore[no-untyped-call]
        return IndexDataCacheFile(folder, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

    def _index_key(self, sig: object, codegen: object) -> tuple[object, ...]:
        return (*super()._index_key(sig, codegen), _digest_of_sources())  # type: ignore[no-untyped-call]


@cache
def _digest_of_sources() -> str:
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
