"""Where the machine code of kernels is kept: a file for each kernel and signature.

numba keeps an index beside each source file and looks at that file only: a kernel whose callee or
constant changed elsewhere would silently run old code, and two processes that compile one kernel
for different arguments may exchange their code. Here a file's name holds a digest of all that its
code was made from, so that nothing is ever out of date and an update costs only what it changed.
"""

import hashlib
import importlib
import os
import pickle
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from uuid import uuid4

import llvmlite
import numba
import numpy as np
from numba import types
from numba.core import compiler, event
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

SUFFIX = ".kernel"
_KEPT = 4
"""Versions of a kernel that stay: checkouts that share a folder may run side by side."""
_MADE_BY = (numba.__version__, llvmlite.__version__, np.__version__, sys.version_info[:2])


class _Nesting(event.Listener):
    """How many kernels are being compiled, each for the one before; numba's lock guards it."""

    depth = 0

    def on_start(self, event: event.Event) -> None:
        self.depth += 1

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1


_nesting = _Nesting()
event.register("numba:compile", _nesting)
_used: list[tuple[Dispatcher, tuple]] = []


def used() -> list[tuple[Dispatcher, tuple]]:
    """Kernels and argument types that this process called from Python, in order of first use."""
    return list(_used)


class KernelCache(NullCache):
    """What numba asks for the machine code of one kernel.

    A kernel that is only compiled as a part of another is not kept: its code is in the other's.

    Args:
        folder: made when needed; None: nothing is kept.
    """

    def __init__(self, dispatcher: Dispatcher, folder: Path | None) -> None:
        self._dispatcher = dispatcher
        self._folder = folder
        function = dispatcher.py_func
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._stamp: str | None = None

    @property
    def cache_path(self) -> Any:
        return None if self._folder is None else str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        if _nesting.depth > 0:
            return None
        _used.append((self._dispatcher, tuple(sig)))
        if self._folder is None:
            return None
        target_context.refresh()
        try:
            stored = self._file(sig, target_context.codegen()).read_bytes()
        except OSError:
            return None
        digest, data = stored[:32], stored[32:]
        if hashlib.sha256(data).digest() != digest:  # a damaged file
            return None
        return compiler.CompileResult._rebuild(target_context, *pickle.loads(data))

    def save_overload(self, sig: Any, cres: Any) -> None:
        if self._folder is None or _nesting.depth > 0:
            return
        if cres.lifted or cres.library.has_dynamic_globals:
            return  # its code holds addresses of this process
        code = dumps(cres._reduce())
        target = self._file(sig, cres.codegen)
        part = target.with_suffix(f".{uuid4().hex[:8]}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(code).digest() + code)
            os.replace(part, target)
            self._drop_old()
        except OSError:  # no space, or another process reads the file (Windows)
            with suppress(OSError):
                part.unlink()

    def is_missing(self, sig: tuple) -> bool:
        """Whether code for arguments of these types could be kept but is not."""
        if self._folder is None:
            return False
        context: Any = self._dispatcher.targetctx
        return not self._file(sig, context.codegen()).exists()

    def _file(self, sig: Any, codegen: Any) -> Path:
        """The code for some argument types on this processor."""
        assert self._folder is not None
        if self._stamp is None:
            self._stamp = stamp_of(self._dispatcher)
        asked = repr(([spelled(t) for t in sig], codegen.magic_tuple()))
        key = hashlib.sha256(asked.encode()).hexdigest()[:16]
        return self._folder / f"{self._name}-{self._stamp}-{key}{SUFFIX}"

    def _drop_old(self) -> None:
        assert self._folder is not None
        newest: dict[str, float] = {}
        files = [(f, f.name.split("-")[1]) for f in self._folder.glob(f"{self._name}-*{SUFFIX}")]
        for file, stamp in files:
            newest[stamp] = max(newest.get(stamp, 0.0), _age(file))
        kept = sorted(newest, key=lambda stamp: newest[stamp], reverse=True)[:_KEPT]
        for file, stamp in files:
            if stamp not in kept:
                file.unlink(missing_ok=True)


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # another process has just removed it
        return 0.0


def keep(dispatcher: Dispatcher, folder: Path | None) -> None:
    """Keep a kernel's machine code in a folder; None: nowhere."""
    setattr(dispatcher, "_cache", KernelCache(dispatcher, folder))  # noqa: B010 (not in the stubs)


def cache_of(dispatcher: Dispatcher) -> KernelCache:
    """Where a kernel's machine code is kept, after ``keep``."""
    return getattr(dispatcher, "_cache")  # noqa: B009 (not in the stubs)


def stamp_of(dispatcher: Dispatcher) -> str:
    """16 digits that change with a kernel's code, its constants, and those of all its callees."""
    digest = hashlib.sha256(repr(_MADE_BY).encode())
    for part in _parts_of(dispatcher, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _parts_of(dispatcher: Dispatcher, seen: set[int]) -> Iterable[str]:
    if id(dispatcher) in seen:
        return
    seen.add(id(dispatcher))
    function = dispatcher.py_func
    yield f"{function.__qualname__} {sorted(dispatcher.targetoptions.items())}"
    yield repr(function.__defaults__)
    for code in _codes(function.__code__):
        values = [repr(c) for c in code.co_consts if not isinstance(c, CodeType | frozenset)]
        values += [repr(sorted(map(repr, c))) for c in code.co_consts if isinstance(c, frozenset)]
        if function.__doc__ is not None:
            values = [v for v in values if v != repr(function.__doc__)]
        yield f"{code.co_code.hex()} {code.co_argcount} {values}"
        yield f"{code.co_names} {code.co_varnames} {code.co_freevars} {code.co_cellvars}"
        for name in code.co_names:
            if name in function.__globals__:
                yield from _value_parts(name, function.__globals__[name], seen)
    for cell in function.__closure__ or ():
        yield from _value_parts("", cell.cell_contents, seen)


def _codes(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _value_parts(name: str, value: object, seen: set[int]) -> Iterable[str]:
    """What a global of a kernel brings into its code."""
    yield name
    if isinstance(value, Dispatcher):
        yield from _parts_of(value, seen)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    elif isinstance(value, ModuleType):
        yield value.__name__
        if value.__name__.startswith("engine"):  # any of its names may be meant
            yield Path(str(value.__file__)).read_text(encoding="utf-8")
    elif isinstance(value, type) and hasattr(value, "_fields"):
        yield f"{value.__qualname__} {getattr(value, '_fields')}"  # noqa: B009
    elif isinstance(value, type | FunctionType):
        # An attribute may share the name of something that no kernel can use.
        yield f"{value.__module__}.{value.__qualname__}"
    else:
        yield repr(value)


def spelled(kind: types.Type) -> Any:
    """The type of an argument as JSON: "float32", "float32 2 C" (an array), or a list: the name of
    a named tuple's class, or "" for a plain one, its fields, and its items.

    Types that kernels are not called with, such as literals, are spelled as numba prints them.
    """
    if isinstance(kind, types.Array):
        readonly = "" if kind.mutable else " readonly"
        unaligned = "" if kind.aligned else " unaligned"
        return f"{kind.dtype} {kind.ndim} {kind.layout}{readonly}{unaligned}"
    if isinstance(kind, types.BaseTuple):
        maker = getattr(kind, "instance_class", tuple)
        named = maker is not tuple
        name = f"{maker.__module__}:{maker.__qualname__}" if named else ""
        fields = list(getattr(maker, "_fields")) if named else []  # noqa: B009
        return [name, fields, *(spelled(item) for item in tuple(kind))]  # pyright: ignore
    return repr(kind)


def read_type(spelling: Any) -> Any:
    """The numba type that ``spelled`` spelled.

    Raises:
        ValueError, AttributeError, ImportError: it is none that can be read.
    """
    if isinstance(spelling, str):
        dtype, *array = spelling.split(" ")
        kind = types.boolean if dtype == "bool" else getattr(types, dtype)
        if not array:
            return kind
        ndim, layout, *flags = array
        return types.Array(
            kind, int(ndim), layout, readonly="readonly" in flags, aligned="unaligned" not in flags
        )
    name, _, *items = spelling
    kinds = [read_type(item) for item in items]
    if not name:
        return types.BaseTuple.from_types(kinds)
    module, _, qualname = name.partition(":")
    return types.BaseTuple.from_types(kinds, getattr(importlib.import_module(module), qualname))
