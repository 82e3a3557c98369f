"""The exact statistics of one layer object: what it was given, and the rows it learned.

The buffers of a layer are what tools copy, average and broadcast. This object remembers what the
layer last wrote into them, so a change from outside is noticed. It keeps the rows that the layer
learned apart from the statistics that it was given (loaded, assigned or copied): all ranks of a
training are given the same statistics, and each learns its own rows.
"""

from typing import Any, NamedTuple, Self

from evenly.moments import Moments
from evenly.torch import extra_state, ranks
from evenly.torch.buffers import Memory, StateTensors


class Fingerprint(NamedTuple):
    """What recognizes the content of a layer's buffers.

    Their content is compared, not the version counters of the tensors, which neither ``.data``
    nor NumPy nor a collective operation of `torch.distributed` increments.

    Attributes
    ----------
    exact
        The digest at the start of the exact statistics.
    constants
        All values of hi, lo and scale. To compare them is faster than a digest.
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
    """

    def __init__(self, given: Moments) -> None:
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

    def learn(self, rows: Any, **options: Any) -> None:
        """Add rows; the statistics are unchanged when an error is raised."""
        self.learned.update(rows, **options)
        self.is_written = False
        self.total = self.given + self.learned if self.given.rows else self.learned

    def enter_ddp(self) -> None:
        """At the first batch within DistributedDataParallel, keep the rows so far as given.

        It has copied the buffers of rank 0 to all ranks when it was created.
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
