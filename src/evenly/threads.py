"""Report the threads and kernels that the core uses."""

from dataclasses import dataclass

from evenly import _core


@dataclass(frozen=True, slots=True)
class Threads:
    """Result of `threads`."""

    count: int
    """Default number of threads of a call."""
    runtime: str
    """The runtime that owns the threads."""
    kernel: str
    """Instruction set of the kernels."""


def threads() -> Threads:
    """Return the number of threads of the core, their runtime, and the kernels in use.

    The number of threads is the value of the environment variable ``EVENLY_NUM_THREADS``;
    otherwise the number of threads of a loaded OpenMP runtime (PyTorch loads one, scikit-learn
    another), so that ``torch.set_num_threads`` applies; otherwise the number of cores available
    to this process. evenly uses the loaded runtime, PyTorch's first, since two thread pools would
    compete for the same cores. Without one it uses its own small pool, which
    ``EVENLY_THREADS=own`` forces. A forked child uses one thread.

    The kernels are the fastest that the processor supports, or those named by ``EVENLY_KERNEL``
    (``evenly._core.kernels()`` lists them). Results have the same bits with all of them.

    Examples
    --------
    >>> import evenly
    >>> evenly.threads()  # doctest: +SKIP
    Threads(count=2, runtime="libgomp (torch's)", kernel='x86-64-v4')
    """
    return Threads(_core.num_threads(), _core.runtime(), _core.kernel())
