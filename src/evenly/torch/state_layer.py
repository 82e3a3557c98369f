"""Base class of layers that keep exact statistics in buffers, which other tools may change.

Evaluation uses the buffers ``hi``, ``lo`` and ``scale`` only. The buffer ``exact`` contains the
statistics from which they were computed, and a digest of both. Before the exact statistics are
used, the layer compares its buffers with those that it wrote last (`_synchronize`):

- They are equal: nothing to do.
- They are a copy of another layer's buffers: the layer adopts the statistics of that layer.
- They were averaged, edited, or copied in part: the exact statistics are unknown. Reading them
  raises an error; evaluation uses the buffers.
- They are those of rank 0, copied by DistributedDataParallel: each rank keeps its own rows.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.types import Device

from evenly.errors import DataError, EvenlyError, StatisticsFileError
from evenly.moments import Moments
from evenly.torch import custom_op, extra_state, state_loading
from evenly.torch.buffers import (
    Memory,
    MemoryViews,
    ScalingTensors,
    StateTensors,
    apply_move,
    are_unfitted,
    scaling_tensors,
    warn_about_limits,
    write_bytes,
    write_unfitted,
)
from evenly.torch.exact_state import ExactState, Fingerprint
from evenly.transform import Scaling
from evenly.transform.device_tensors import work_dtype
from evenly.typing import Constant

_SCALING = ("hi", "lo", "scale")


class StateLayer(nn.Module):
    """A layer with exact statistics, and buffers that are computed from them.

    The buffers ``hi``, ``lo`` and ``scale`` stay float64 under ``.half()`` and other casts of the
    model, so the layer is precise for any input dtype; moves to other devices apply to them.
    """

    num_features: int
    constant: Constant
    distribution: int
    frozen: bool
    hi: Tensor
    lo: Tensor
    scale: Tensor
    exact: Tensor
    _is_replica = False  # nn.DataParallel sets it on its replicas

    def _create_state(self, num_features: int, device: Device) -> None:
        self.frozen = False
        self._white = 1
        self._is_ready = False
        self._views = MemoryViews()
        self._statistics = ExactState(self._empty_moments())
        for name in _SCALING:
            zeros = torch.zeros(num_features, dtype=torch.float64, device=device)
            self.register_buffer(name, zeros)
        size = extra_state.size(num_features, self.distribution)
        exact = torch.zeros(size, dtype=torch.uint8, device=device)
        self.register_buffer("exact", exact, persistent=False)  # it is the extra state
        self._layer_id = custom_op.register_layer(self)
        self._write()

    def _empty_moments(self) -> Moments:
        return Moments.empty(self.num_features, distribution=self.distribution)

    def _scaling(self, too_few: str) -> Scaling:
        """Compute the constants from the exact statistics."""
        raise NotImplementedError

    def _write_native(self, memory: Memory) -> bool:
        """Let the core write the constants; return whether it succeeded."""
        raise NotImplementedError

    @property
    def _tensors(self) -> StateTensors:
        # Read from the dict: nn.Module looks up buffers last, which takes 1 µs each.
        buffers = self._buffers
        return StateTensors(buffers["hi"], buffers["lo"], buffers["scale"], buffers["exact"])

    # Exact statistics and buffers

    def _synchronize(self, tensors: StateTensors | None = None) -> bool:
        """Adopt a change of the buffers; return whether the exact statistics are known."""
        if tensors is None:
            self._undo_casts()
            tensors = self._tensors
        if self._is_replica or not tensors.have_values:
            return True
        state = self._statistics
        with state.guard.lock:
            found = Fingerprint.of(tensors, self._views.of(tensors))
            if state.written in (None, found):
                if not state.is_written:
                    self._write(tensors)
                return True
            return state.keeps_rows or self._adopt(tensors, found)

    def _adopt(self, tensors: StateTensors, found: Fingerprint) -> bool:
        """Replace the statistics by those in the buffers; return whether these are exact."""
        stored = extra_state.decode(tensors.exact)
        digest = extra_state.constants_digest(found.constants)
        if stored is not None and stored.constants == digest:
            state = stored.state
            self.frozen, self._white = state.frozen, state.white
            self._statistics.replace(state.moments)
            self._statistics.written, self._statistics.is_written = found, True
        elif are_unfitted(*tensors.scaling):
            self._replace_statistics(self._empty_moments(), tensors)
        else:
            return False
        self._set_ready(tensors)
        return True

    def _replace_statistics(self, moments: Moments, tensors: StateTensors | None = None) -> None:
        checked = self._checked(moments)
        with self._statistics.guard.lock:
            self._statistics.replace(checked)
            self._write(tensors)

    def _checked(self, moments: Moments) -> Moments:
        """Return a copy with the layer's bins, after checking that there is room for it."""
        if moments.num_features != self.num_features:
            raise DataError(
                f"The moments must have {self.num_features} columns, the layer's num_features. "
                f"Received: {moments.num_features}."
            )
        if self.distribution and moments.rows and not moments.distribution:
            raise DataError(
                f"The moments of a layer with distribution={self.distribution}, which the methods "
                '"robust" and "quantile" need, must have a distribution. Received: moments without '
                "one. Fit the data with evenly.fit(x, distribution=True), or create the layer with "
                "another method and without distribution=."
            )
        own = moments.with_bins(self.distribution)
        extra_state.encode(extra_state.State(own, self.frozen), bytes(16), len(self.exact))
        return own

    def _write(self, tensors: StateTensors | None = None) -> None:
        """Write all buffers from the exact statistics."""
        tensors = tensors or self._tensors
        state = self._statistics
        if tensors.have_values:
            state.written, state.is_written = None, False  # a signal may interrupt this
            memory = self._views.of(tensors)
            self._write_scaling(tensors, memory)
            if not self._is_replica:
                self._write_exact(tensors, memory)
        self._set_ready(tensors)

    def _write_scaling(self, tensors: StateTensors, memory: Memory | None) -> None:
        if not self._statistics.total.rows:
            write_unfitted(*tensors.scaling)
        elif memory is None or not self._write_native(memory):
            scaling = self._scaling(too_few="constant")
            warn_about_limits(scaling, self._statistics.total)
            values = scaling_tensors(scaling)
            for buffer, value in zip(tensors.scaling, values, strict=True):
                buffer.detach().copy_(value)

    def _write_exact(self, tensors: StateTensors, memory: Memory | None) -> None:
        state = self._statistics
        if memory is None:
            constants = extra_state.constants_of(tensors.scaling)
        else:
            constants = memory.constants()
        digest = extra_state.constants_digest(constants)
        stored = extra_state.State(state.total, self.frozen, self._white)
        content = extra_state.encode(stored, digest, len(tensors.exact))
        if memory is None:
            write_bytes(content, tensors.exact)
        else:
            memory.exact[: len(content)] = content
        state.written = Fingerprint(extra_state.digest_in(content), constants)
        state.is_written = True

    def _has_statistics(self, tensors: StateTensors) -> bool:
        """Return whether the layer can evaluate."""
        if not self._is_fitted(tensors):
            return False
        may_be_constant = self.constant != "error" or not tensors.have_values
        return may_be_constant or bool((tensors.scale != 0).all())

    def _is_fitted(self, tensors: StateTensors) -> bool:
        """Return whether the layer has statistics, known or not."""
        if self._statistics.total.rows > 0:
            return True
        return tensors.have_values and not are_unfitted(*tensors.scaling)

    def refresh(self) -> bool:
        """Adopt a change of the buffers, and return whether the layer can evaluate."""
        self._synchronize()
        return self._set_ready(self._tensors)

    def _set_ready(self, tensors: StateTensors) -> bool:
        is_ready = self._has_statistics(tensors)
        if is_ready != self._is_ready:  # nn.Module takes 2 µs to set an attribute
            self._is_ready = is_ready
        return is_ready

    def train(self, mode: bool = True) -> Self:
        """Set the training mode, and return the layer, as `torch.nn.Module.train`."""
        self.refresh()
        return super().train(mode)

    # Copies, moves and serialization

    def _replicate_for_data_parallel(self) -> Self:
        self._synchronize()  # the replicas add rows to our statistics, not to our buffers
        replica: Self = super()._replicate_for_data_parallel()
        replica._views = MemoryViews()
        for name, buffer in replica._buffers.items():
            replica._buffers[name] = buffer.clone()
        return replica

    def __getstate__(self) -> dict[str, Any]:
        self._synchronize()
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layer_id = custom_op.register_layer(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        is_known = self._synchronize()
        super()._apply(lambda buffer: apply_move(fn, buffer), recurse)
        if is_known:
            self._write()
        return self

    def get_extra_state(self) -> Tensor:
        """Return the exact statistics, and whether the layer is frozen, as a tensor of bytes.

        Its size depends on ``num_features`` and ``distribution`` only. Like the other tensors in a
        ``state_dict``, it shares the memory of the buffer.

        Returns
        -------
        Tensor
            One-dimensional, of dtype uint8; ``docs/format.md`` describes the bytes.
        """
        self._synchronize()
        return self.exact.detach()

    def set_extra_state(self, state: object) -> None:
        """Restore the result of `get_extra_state`, after checking all of it.

        Raises
        ------
        StatisticsFileError
            If it is invalid, or has another number of columns; the layer is then unchanged.
        """
        try:
            stored = extra_state.load(state)
            self._checked(stored.moments)
        except EvenlyError as error:
            raise StatisticsFileError(
                f"The extra state of {type(self).__name__}({self.num_features}) must come from "
                f"such a layer: {error}"
            ) from None
        self.frozen, self._white = stored.frozen, stored.white
        if self.exact.device != self.hi.device:  # assign=True, to a layer on the meta device
            self.exact = torch.zeros_like(self.exact, device=self.hi.device)
        self._restore_dtypes()
        self._replace_statistics(stored.moments)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        before = {name: buffer.clone() for name, buffer in self.named_buffers(recurse=False)}
        key = f"{prefix}_extra_state"
        extra = state_dict.get(key)
        given = state_loading.scaling_in(state_dict, prefix, self.num_features)
        if given is not None and state_loading.is_averaged(extra, len(self.exact)):
            state = extra_state.State(self._empty_moments(), self.frozen)
            nothing = state_loading.encode_unwritten(state, len(self.exact))
            state_dict = {**state_dict, key: nothing}
        arguments = (strict, missing_keys, unexpected_keys, error_msgs)
        try:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *arguments)
        except StatisticsFileError as error:
            error_msgs.append(f"{key}: {error}")
            self._buffers.update(before)
            return
        self._restore_dtypes()
        if given is not None and not state_loading.agree(
            given, extra, self._tensors.scaling, len(self.exact)
        ):
            self._use_constants(given)

    def _restore_dtypes(self) -> None:
        """Convert the buffers back to float64 after loading a state_dict."""
        for name in _SCALING:
            buffer = getattr(self, name)
            dtype = work_dtype(buffer.device)
            if buffer.dtype != dtype:
                setattr(self, name, buffer.to(dtype))

    def _undo_casts(self) -> None:
        """Restore float64 after a cast that bypassed ``.to()``, as FSDP's ``buffer_dtype``."""
        tensors = self._tensors
        if all(x.dtype is work_dtype(x.device) for x in tensors.scaling):
            return
        self._restore_dtypes()
        written = self._statistics.written
        if written is None or not tensors.have_values:
            return
        if extra_state.stored_digest(tensors.exact) == written.exact:
            self._write()
            if not state_loading.agree(
                tensors.scaling, tensors.exact, self._tensors.scaling, len(self.exact)
            ):
                self._use_constants(tensors.scaling)

    def _use_constants(self, given: ScalingTensors) -> None:
        """Evaluate with constants whose exact statistics are unknown."""
        self._statistics.replace(self._statistics.total)
        self._statistics.is_written = True
        for buffer, value in zip(self._tensors.scaling, given, strict=True):
            buffer.detach().copy_(value)
        self.refresh()
