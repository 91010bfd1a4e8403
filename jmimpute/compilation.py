"""Compiled kernels: how they are compiled, and when what is cached on disk may be used again."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba

# Fast arithmetic, but without the flags that would hide NaN and infinity, by which a failed factorisation is told; division
# by zero gives infinity, as in numpy, instead of an exception.
ARITHMETIC: dict[str, Any] = {"fastmath": {"reassoc", "contract", "arcp", "nsz"}, "error_model": "numpy"}

#: Part of a single kernel: compiled with it, which saves optimising all that it calls once more.
part = numba.njit(inline="always", **ARITHMETIC)


def kernel(function: Callable) -> Any:
    """Compile a function once a machine, without holding the interpreter while it runs: chains run in threads.

    numba's disk cache looks at the date of a function's own file only. A kernel of another file that it calls is compiled
    into it, so that after an edit or an upgrade there an old version would go on being used. Here the cache looks at the
    source of the file and at that of all kernels it imports.

    Parameters
    ----------
    function : callable

    Returns
    -------
    numba dispatcher
        With an attribute `stamp`, a text that changes with the source.
    """
    compiled = numba.njit(cache=True, nogil=True, **ARITHMETIC)(function)
    imported = sorted({value.stamp for value in function.__globals__.values() if hasattr(value, "stamp")})
    source = Path(function.__code__.co_filename).read_bytes()
    compiled.stamp = hashlib.sha256(b"".join([source, *(stamp.encode() for stamp in imported)])).hexdigest()
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache_file is not None:  # absent where compilation is switched off
        cache_file._source_stamp = compiled.stamp
        cache_file._load_index = partial(_index_or_nothing, cache_file._load_index)
    return compiled


def is_cold(compiled: Any) -> bool:
    """Whether a kernel, and with it what it calls, was never compiled on this machine, or has changed since.

    Parameters
    ----------
    compiled : numba dispatcher
        Made by `kernel`.
    """
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    return cache_file is not None and not compiled.overloads and not cache_file._load_index()


def _index_or_nothing(load: Callable) -> dict:
    """The index of a cache; empty if another version of the package wrote it, whose classes may be gone."""
    try:
        return load()
    except (AttributeError, ImportError, EOFError):
        return {}
