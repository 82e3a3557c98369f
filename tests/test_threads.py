"""Threads: their runtime and number, which do not change results."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import evenly
from evenly import _core


def run(code: str, **environment: str) -> str:
    """Return the output of a new Python process."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.strip()


def state_of(x: np.ndarray, threads: int) -> _core.State:
    state = _core.State(x.shape[1])
    state.update(x, threads=threads)
    return state


def test_environment_variable_sets_the_number() -> None:
    assert run("import evenly; print(evenly.threads().count)", EVENLY_NUM_THREADS="3") == "3"


def test_own_pool_without_openmp() -> None:
    assert run("import evenly; print(evenly.threads().runtime)") == "evenly's own pool"


def test_threads_and_number_of_torch_are_used() -> None:
    pytest.importorskip("torch")
    code = "import torch, evenly; torch.set_num_threads(1); print(evenly.threads())"
    assert run(code).startswith('Threads(count=1, runtime="libgomp (torch\'s)"')


def test_own_pool_can_be_forced_with_torch() -> None:
    pytest.importorskip("torch")
    code = "import torch, evenly; print(evenly.threads().runtime)"
    assert run(code, EVENLY_THREADS="own") == "evenly's own pool"


def test_unknown_kernel_error_lists_kernels() -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        run("import evenly._core", EVENLY_KERNEL="avx1024")
    assert "EVENLY_KERNEL must name a kernel that this processor can run: " in error.value.stderr
    assert "plain; received avx1024" in error.value.stderr


@pytest.mark.parametrize("kernel", _core.kernels())
def test_forced_kernel_is_used(kernel: str) -> None:
    assert run("import evenly; print(evenly.threads().kernel)", EVENLY_KERNEL=kernel) == kernel


@pytest.mark.parametrize("own", [False, True])
def test_fit_in_forked_child(own: bool) -> None:
    """PyTorch's DataLoader forks workers after the parent has used its threads."""
    code = """
import os, numpy as np, {imports} evenly
from evenly import _core
x = np.arange(600_000, dtype=np.float32).reshape(-1, 3)
parent = _core.State(3); parent.update(x, threads=2)
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    child = _core.State(3); child.update(x, threads=2)
    os.write(write, b"same" if child == parent else b"different")
    os._exit(0)
os.waitpid(pid, 0)
print(os.read(read, 20).decode(), evenly.threads().runtime)
"""
    if own:
        assert run(code.format(imports="")) == "same evenly's own pool"
    else:
        pytest.importorskip("torch")
        assert run(code.format(imports="torch,")) == "same libgomp (torch's)"


def test_threads_do_not_change_state() -> None:
    rng = np.random.default_rng(50_001)
    x = rng.standard_normal((50_001, 7)) * 10.0 ** rng.integers(-200, 200, (50_001, 7))
    one = state_of(x, 1)
    assert all(state_of(x, threads) == one for threads in (2, 3, 8))


def test_concurrent_updates_from_python_threads() -> None:
    """Updates of separate states and of a shared state lose nothing."""
    x = np.random.default_rng(40_000).standard_normal((40_000, 8), dtype=np.float32)
    shared, own = _core.State(8), [_core.State(8) for _ in range(6)]

    def work(state: _core.State) -> None:
        for _ in range(3):
            state.update(x, threads=2)
            shared.update(x, threads=2)

    workers = [threading.Thread(target=work, args=(state,)) for state in own]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    total = _core.State(8)
    for state in own:
        total.merge(state)
    assert shared == total
    assert evenly.threads().count >= 1


def test_flushed_subnormals_in_other_threads() -> None:
    torch = pytest.importorskip("torch")
    x = np.full((1000, 1), np.float32(1e-45))
    torch.set_flush_denormal(True)
    try:
        state = state_of(x, 2)
    finally:
        torch.set_flush_denormal(False)
    assert state.sums() == [(125, -146)]
