"""The device that MLX computes on, its number format and its memory limits.

Not here: the BLAS of the CPU build (blas.py) and what is computed (worker.py).
"""

import gc
import os
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from dobby_pipeline.inference.blas import use_fast_blas
from dobby_pipeline.logs import logger

if TYPE_CHECKING:
    import mlx.nn as nn

_log = logger(__name__)

Kind = Literal["cpu", "metal", "cuda"]

CPU_CACHE_BYTES = 64 * 10**6
"""Freed buffers that MLX keeps for reuse. Unlimited, they add some 500 MB to a run on the CPU,
where the system's allocator is quick and the memory is everybody's."""


GRAPHS = "20000"
"""CUDA graphs that MLX keeps, an environment variable. It aborts the process once twice as many
were made as it keeps, and it keeps 400, which a long run of many lengths comes to (seen by users
of MLX 0.32.1: https://github.com/lablup/mlxcel/pull/820)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that has been tried.

    Attributes:
        problem: why it is the CPU although a GPU was asked for or is there; otherwise empty.
    """

    kind: Kind
    problem: str = ""


def import_mlx() -> ModuleType:
    """`mlx.core`, imported after the BLAS that it is to use."""
    use_fast_blas()
    os.environ.setdefault("MLX_CUDA_GRAPH_CACHE_SIZE", GRAPHS)
    import mlx.core as mx

    return mx


def choose_device(wanted: str) -> Device:
    """Take the GPU if there is one that works, otherwise the CPU, and make it MLX's default.

    MLX's default device and streams belong to a thread: call it on the one that will compute.

    Args:
        wanted: `auto`, `gpu` or `cpu`. A GPU that was asked for and is not there, or is there and
            fails, gives one warning and the CPU.
    """
    mx = import_mlx()
    kind = _gpu_kind(mx)
    problem = ""
    if wanted == "gpu" and kind is None:
        problem = "this build of MLX sees no GPU here"
    elif wanted != "cpu" and kind is not None:
        problem = _try_gpu(mx)
        if not problem:
            return Device(kind)
    mx.set_default_device(mx.cpu)
    # On the CPU MLX fuses operations by calling g++ and loading what it wrote under /tmp/mlx, a
    # place that another user of the machine can take first. Unfused, 24 summaries took the same
    # 73 s of CPU time, and no compiler is needed.
    mx.disable_compile()
    if problem:
        _log.warning("the GPU cannot be used, so the CPU is", problem=problem)
    return Device("cpu", problem)


def limit_memory(kind: Kind, limit_bytes: int) -> None:
    """Keep weights, KV cache and MLX's own cache of freed buffers together under the limit.

    Above the memory limit MLX waits for running work before it allocates more, and may go a little
    over it: 8.10 GB were used under a limit of 8, so that it is told nine tenths. On Metal,
    memory is shared with everything else on the machine: the cache of freed buffers, which by
    default grows to the memory limit, gets an eighth.
    """
    mx = import_mlx()
    mx.set_memory_limit(limit_bytes * 9 // 10)
    mx.set_cache_limit(CPU_CACHE_BYTES if kind == "cpu" else limit_bytes // 8)


def wire_memory(kind: Kind, limit_bytes: int) -> None:
    """On Metal, keep what the model uses resident, up to the limit and the system's own.

    Without it macOS pages weights out between steps. mlx-lm's BatchGenerator wires up to the
    system's whole recommended set (about 75 % of the machine) when it is made, which starves
    other programs: so this is called after it.
    """
    if kind == "metal":
        mx = import_mlx()
        recommended: int = mx.device_info()["max_recommended_working_set_size"]
        mx.set_wired_limit(min(limit_bytes, recommended))


def fit_to_device(model: "nn.Module", kind: Kind, stored_dtype: str) -> "nn.Module":
    """The model in the form that the device multiplies fastest.

    Metal keeps packed weights and computes in the type that they were stored with. CUDA unpacks
    them to bfloat16: packed, a record took 10 s. The CPU unpacks them to float32: on x86 that
    ran at 130 to 190 GFLOP/s, float16 and bfloat16 at 1 to 4, packed 4-bit at 1.4.
    """
    mx = import_mlx()
    if kind == "metal":
        if stored_dtype in ("float16", "bfloat16"):
            model.set_dtype(getattr(mx, stored_dtype))
        return model
    from mlx_lm.utils import dequantize_model

    model = dequantize_model(model)
    model.set_dtype(mx.float32 if kind == "cpu" else mx.bfloat16)
    return model


def leave_thread() -> None:
    """Free what the calling thread holds of MLX, streams included; its last act.

    A thread counts as joined before the destructors of its C++ part have run: streams left to
    them met the end of the process in 8 exits of 15, which then aborted.
    """
    mx = import_mlx()
    gc.collect()
    mx.synchronize()
    mx.clear_cache()
    mx.clear_streams()


def _gpu_kind(mx: Any) -> Kind | None:
    if mx.metal.is_available():
        return "metal"
    cuda = getattr(mx, "cuda", None)
    return "cuda" if cuda is not None and cuda.is_available() else None


def _try_gpu(mx: Any) -> str:
    """Why the GPU does not work; empty when it does."""
    try:
        mx.set_default_device(mx.gpu)
        ones = mx.ones((8, 8))
        mx.eval(ones @ ones)
    except (RuntimeError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""
