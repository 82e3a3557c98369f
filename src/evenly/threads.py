"""Which threads, and which kernels, the core works with."""

from dataclasses import dataclass

from evenly import _core


@dataclass(frozen=True, slots=True)
class Threads:
    """What `threads` reports."""

    count: int
    """Threads that a call uses unless it is told otherwise."""
    runtime: str
    """Whose threads they are."""
    kernel: str
    """The instruction set of the kernels."""


def threads() -> Threads:
    """Return how many threads the core uses now, whose they are, and which kernels it runs.

    The number is that of the environment variable ``EVENLY_NUM_THREADS``; else, when an
    OpenMP runtime is loaded (PyTorch brings one, scikit-learn another), what that one
    would take, so ``torch.set_num_threads`` holds here too; else the number of cores that
    this process may use. The runtime is the one that is loaded, PyTorch's first: two
    pools of threads on the same cores would fight. Without one it is a small pool of
    evenly's own, which ``EVENLY_THREADS=own`` forces. A forked child uses one thread.

    The kernels are the best that the processor can run, or those that ``EVENLY_KERNEL``
    names (``evenly._core.kernels()`` lists them). Results are the same bits with all of them.

    Examples
    --------
    >>> import evenly
    >>> evenly.threads()  # doctest: +SKIP
    Threads(count=2, runtime="libgomp (torch's)", kernel='x86-64-v4')
    """
    return Threads(_core.num_threads(), _core.runtime(), _core.kernel())
