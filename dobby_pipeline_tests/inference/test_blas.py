"""The BLAS under MLX's CPU build, and the device."""

import subprocess
import sys

import pytest

from dobby_pipeline.inference import blas, blas_threads, device

linux = pytest.mark.skipif(sys.platform != "linux", reason="only the Linux build lacks a real BLAS")


def _python(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **env}
    )


@linux
def test_openblas_multiplies_mlx_matrices():
    used = blas.use_fast_blas()

    assert (used.name, used.problem) == ("OpenBLAS", "")
    assert used.version.startswith("0.3.")
    assert used.core
    assert 1 <= used.threads <= blas.available_cores()
    # 1.3 to 1.6 with the reference BLAS; the margin is for a busy machine.
    assert blas.measure_gflops() > 4


@linux
def test_the_products_are_right():
    mx = device.import_mlx()
    left, right = mx.random.normal((70, 90)), mx.random.normal((90, 110))
    exact = (left[:, :, None] * right[None]).sum(axis=1)

    assert mx.allclose(left @ right, exact, atol=1e-3).item()


@linux
def test_without_openblas_there_is_one_warning_and_the_reference_one():
    done = _python(
        "import logging; logging.basicConfig()\n"
        "from dobby_pipeline.inference import blas\n"
        "blas._PACKAGE = 'never-installed'\n"
        "print(blas.use_fast_blas().name, blas.use_fast_blas().name)\n"
        "import mlx.core as mx; print((mx.ones((4, 4)) @ mx.ones((4, 4)))[0, 0].item())\n"
    )

    assert done.stdout == "reference reference\n4.0\n"
    assert done.stderr.count("WARNING") == 1
    assert "never-installed" in done.stderr


@linux
def test_an_mlx_that_was_imported_first_is_told():
    done = _python(
        "import mlx.core\nfrom dobby_pipeline.inference import blas\nprint(blas.use_fast_blas())\n"
    )

    assert "mlx.core was imported before it" in done.stdout


@linux
def test_a_folder_for_temporary_files_that_is_full_is_replaced_by_the_users_cache(tmp_path):
    script = (
        "import tempfile\nfrom dobby_pipeline.inference import blas\n"
        "tempfile.tempdir = '/proc'\nprint(blas.use_fast_blas().name)\n"
    )
    done = _python(script, XDG_CACHE_HOME=str(tmp_path))

    assert done.stdout == "OpenBLAS\n", done.stderr
    assert list(tmp_path.iterdir()) == []


@linux
def test_the_number_of_threads_is_the_fastest_one_tried(monkeypatch):
    threads = blas_threads.BlasThreads()
    if len(threads._choices) < 2:
        pytest.skip("one core")
    used: list[int] = []
    monkeypatch.setattr(blas_threads, "_set_threads", used.append)
    seconds = dict(zip(threads._choices, (3.0, 1.0, 2.0), strict=False))
    monkeypatch.setattr(threads, "_seconds", seconds.__getitem__)
    threads.adjust()
    threads.adjust()  # too soon for another trial

    assert used == [threads._choices[1]]


def test_generation_on_the_cpu_compiles_nothing_in_a_shared_place(models, tmp_path):
    script = (
        "from dobby_pipeline.inference.models.manifests import load_manifest\n"
        "from dobby_pipeline.inference.pool import Request, SessionPool\n"
        "with SessionPool(load_manifest('tiny'), device='cpu') as pool:\n"
        "    print(next(pool.generate([Request('a', 'Say it.')])).finish_reason)\n"
    )
    done = _python(script, TMPDIR=str(tmp_path))

    assert (done.stdout, done.stderr) == ("stop\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_cpu_is_taken_when_it_is_asked_for():
    assert device.choose_device("cpu") == device.Device("cpu")


class _FakeGpu:
    """MLX with a GPU that fails: the one thing that this machine cannot be made to have."""

    def __init__(self, mx) -> None:
        self._mx = mx
        self.gpu = "gpu"
        self.metal = self

    def is_available(self) -> bool:
        return True

    def set_default_device(self, chosen) -> None:
        if chosen == "gpu":
            raise RuntimeError("[metal::device] no such device\nmore")
        self._mx.set_default_device(chosen)

    def __getattr__(self, name: str):
        return getattr(self._mx, name)


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_a_gpu_that_fails_gives_one_warning_and_the_cpu(monkeypatch, caplog, wanted):
    mx = device.import_mlx()
    monkeypatch.setattr(device, "import_mlx", lambda: _FakeGpu(mx))
    chosen = device.choose_device(wanted)

    assert chosen == device.Device("cpu", "[metal::device] no such device")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_auto_device_without_a_gpu_is_the_cpu_without_a_warning(caplog):
    mx = device.import_mlx()
    if mx.metal.is_available() or mx.cuda.is_available():
        pytest.skip("there is a GPU here")

    assert device.choose_device("auto") == device.Device("cpu")
    assert caplog.records == []
