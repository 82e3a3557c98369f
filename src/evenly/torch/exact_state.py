"""The exact statistics of one layer object: those that it was given, and those that it learned.

Tools copy, average and broadcast the buffers of a layer. This object stores a fingerprint of the
values that the layer wrote into them last, so that a change by other code is detected. It keeps
the statistics that the layer learned separately from those that it was given (loaded, assigned or
copied): all ranks of a training are given the same statistics, and each learns its own rows.
"""

from typing import Any, NamedTuple, Self

from torch import Tensor

from evenly.moments import Moments
from evenly.system.locks import ForkSafeLock
from evenly.torch import extra_state, ranks
from evenly.torch.buffers import Memory, StateTensors
from evenly.typing import Infinite


class Fingerprint(NamedTuple):
    """Identifies the content of a layer's buffers.

    The content is compared, not the version counters of the tensors: ``.data``, NumPy and the
    collective operations of `torch.distributed` do not increment these.

    Attributes
    ----------
    exact
        The digest at the start of the exact statistics.
    constants
        All values of hi, lo and scale, since comparing them is faster than a digest.
    """

    exact: bytes
    constants: bytes

    @classmethod
    def of(cls, tensors: StateTensors, memory: Memory | None) -> Self:
        """Read some buffers, or the memory of these buffers."""
        if memory is not None:
            return cls(extra_state.digest_in(memory.exact), memory.constants())
        exact = extra_state.stored_digest(tensors.exact)
        return cls(exact, extra_state.constants_of(tensors.scaling))


class ExactState:
    """Exact statistics, and a fingerprint of the buffers that were written from them.

    Attributes
    ----------
    given
        The statistics that the layer did not learn itself.
    learned
        The statistics of the rows that this layer object learned since then.
    written
        The fingerprint of the buffers as last written; None while they are being written.
    is_written
        Whether the buffers have all rows.
    guard
        The lock of the statistics and the buffers, since several threads may call a layer.
    """

    def __init__(self, given: Moments) -> None:
        self.guard = ForkSafeLock()
        self.in_ddp = False
        self.replace(given)
        self.written: Fingerprint | None = None

    def replace(self, given: Moments) -> None:
        """Replace all statistics."""
        self.given = self.total = given
        self.learned = Moments.empty(
            given.columns or given.num_features, distribution=given.distribution
        )
        self.is_written = False

    def learn(self, rows: Tensor, *, feature_axis: int, infinite: Infinite) -> None:
        """Add rows; the statistics are unchanged when an error is raised."""
        self.learned.update(rows, feature_axis=feature_axis, infinite=infinite)
        self.is_written = False
        self.total = self.given + self.learned if self.given.rows else self.learned

    def enter_ddp(self) -> None:
        """At the first batch within DistributedDataParallel, count all rows so far as given.

        Its constructor has copied the buffers of rank 0 to all ranks.
        """
        if not self.in_ddp and ranks.is_inside_ddp():
            self.in_ddp = True
            self.replace(self.total)

    @property
    def keeps_rows(self) -> bool:
        """Whether statistics that were copied into the buffers are those of another rank.

        DistributedDataParallel copies the buffers of rank 0 to the other ranks before each
        batch, and each rank continues with its own rows.
        """
        return ranks.are_several() and (self.in_ddp or self.learned.rows > 0)

    def __reduce__(self) -> Any:
        return _copy, (self.total.copy(), self.written, self.is_written)


def _copy(given: Moments, written: Fingerprint | None, is_written: bool) -> ExactState:
    state = ExactState(given)
    state.written, state.is_written = written, is_written
    return state
