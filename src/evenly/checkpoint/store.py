"""The content of a checkpoint: exact sums, and the manifest of the files in them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evenly.checkpoint import errors
from evenly.checkpoint.lock import Lock
from evenly.moments import GroupedMoments, Moments, MomentsByKey, load_with_manifest
from evenly.moments.base import MomentsBase
from evenly.sources import FitOptions
from evenly.sources.fields import Field
from evenly.statistics_file import FileRecord, Manifest
from evenly.system.temporary import remove_stale_temp_files
from evenly.typing import FeatureAxis, JsonObject

_ALLOWED_CHANGES = {"infinite": ("error", "missing"), "broken": ("error", "skip")}
"""Options that may change, from the first value to the second: as long as infinities or broken
images are errors, the included rows have none."""


class CheckpointStore:
    """An exclusively locked statistics file with its manifest of included files.

    Parameters
    ----------
    path
        The path of the statistics file, which need not exist yet.
    options
        The options of the fit; they must equal those of the first run.
    images
        Whether the files are images.

    Attributes
    ----------
    moments
        The exact sums. `save` must be called only when they agree with the files.
    files
        The records of the included files by their stored paths.
    fields
        All columns of the files; None when they have no names.
    """

    moments: Moments | GroupedMoments
    files: dict[str, FileRecord]
    fields: tuple[tuple[str, str], ...] | None

    def __init__(self, path: str, options: FitOptions, *, images: bool) -> None:
        self.path = path
        self._options = fingerprint_options(options, images=images)
        self._lock = Lock(path)
        remove_stale_temp_files(Path(os.path.realpath(path)))
        try:
            self.moments, manifest = self._load()
        except BaseException:
            self.close()
            raise
        self.files = {file.path: file for file in manifest.files}
        self.fields = manifest.fields

    def _load(self) -> tuple[Moments | GroupedMoments, Manifest]:
        """Return the content of the file, or empty moments if it does not exist yet."""
        if not os.path.lexists(self.path):
            return self._empty_moments(), Manifest(options=self._options)
        moments, manifest = load_with_manifest(self.path)
        if manifest is None or isinstance(moments, MomentsByKey):
            raise errors.no_manifest_error(self.path)
        stored, option = getattr(moments, "by", None), manifest.options["by"]
        if stored != (tuple(option) if isinstance(option, list) else option):
            raise errors.contradictory_error(self.path, stored, option)
        self._check_options(manifest.options)
        bins = manifest.options.get("distribution", 0)
        if moments.distribution != bins:
            raise errors.contradictory_bins_error(self.path, moments.distribution, bins)
        return moments, manifest

    def _check_options(self, then: JsonObject) -> None:
        """Check that the rows read with earlier options equal those of the current options.

        Raises
        ------
        DataError
            When they may differ.
        """
        now = self._options
        if (then["mode"] is None) != (now["mode"] is None):
            raise errors.source_type_error(_source_type(now), _source_type(then), self.path)
        for key in sorted(now.keys() | then.keys()):
            before, after = then.get(key), now.get(key)
            if before != after and (before, after) != _ALLOWED_CHANGES.get(key):
                raise errors.option_error(key, after, before, self.path)

    def _empty_moments(self) -> Moments | GroupedMoments:
        by, bins = self._options["by"], self._options.get("distribution", 0)
        if by is None:
            return Moments.empty(distribution=bins)
        return GroupedMoments.empty(by, distribution=bins)

    def save(
        self,
        read: Iterable[FileRecord],
        fields: tuple[Field, ...] | None,
        description: str,
        partial: Iterable[MomentsBase] = (),
        dropped: Iterable[FileRecord] = (),
    ) -> None:
        """Save the sums, and update the manifest.

        Parameters
        ----------
        read
            The records of the files that were read since the last save.
        fields
            The columns of the files; None: those of the last save.
        description
            The source of the moments.
        partial
            The moments of files that are being read, which `moments` does not include yet.
        dropped
            The records of the files whose rows are no longer included.
        """
        self.files |= {file.path: file for file in read}
        for file in dropped:
            self.files.pop(file.path, None)
        if fields is not None:
            self.fields = tuple((field.name, field.kind) for field in fields)
        total: MomentsBase = self.moments
        moments = sum(partial, start=total)
        moments.sources = (description,)
        manifest = Manifest(sorted(self.files.values()), self._options, self.fields)
        moments.save_with_manifest(self.path, manifest)

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()


def _source_type(options: JsonObject) -> str:
    return "tables or arrays" if options["mode"] is None else "images"


def fingerprint_options(options: FitOptions, *, images: bool) -> JsonObject:
    """Return the options that affect the result of a fit, as JSON values."""
    selection, select, by = options.selection, options.select, options.by
    csv = options.csv_format.to_json()
    return {
        **({} if csv is None else {"csv": csv}),
        **({"distribution": options.distribution} if options.distribution else {}),
        "broken": options.broken if images else None,
        "by": by if by is None or isinstance(by, str) else list(by),
        "columns": None if selection.columns is None else _json_names(selection.columns),
        "exclude": _json_names(selection.exclude),
        "feature_axis": _json_axis(options.feature_axis),
        "infinite": options.infinite,
        "mode": options.mode if images else None,
        "select": _json_names(select) if isinstance(select, tuple) else select,
        "weights": selection.weights,
    }


def _json_axis(axis: FeatureAxis) -> int | str:
    """Return the axis as it is stored; None is stored as the last one, its only meaning."""
    return -1 if axis is None else axis if isinstance(axis, str) else int(axis)


def _json_names(names: Iterable[Any]) -> list[str | int]:
    return [name if isinstance(name, str) else int(name) for name in names]
