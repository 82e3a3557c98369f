"""Read a PyTorch DataLoader, and say which rows it repeats or drops."""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from evenly.dispatch import (
    is_data_loader,
    is_instance,
    is_iterable_dataset,
    is_webdataset,
    shape_of,
)
from evenly.errors import DataError
from evenly.printable import counted
from evenly.sources.batch_items import open_batches, open_iterable, open_loaded_samples
from evenly.sources.opener import SourceOpener
from evenly.sources.source import Source
from evenly.sources.webdataset import makes_batches

if TYPE_CHECKING:
    from torch.utils.data import DataLoader, Sampler


_log = logging.getLogger("evenly")
_TORCH_DATA = "torch.utils.data"
_SHARDING_LIBRARIES = ("datasets", "webdataset", "torchdata", "torch", "litdata", "streaming")
"""Libraries whose datasets split their files among the workers themselves."""


def open_loader(x: "DataLoader[object]", label: str, opener: SourceOpener) -> Source:
    """Open a DataLoader, whose items are batches, or samples if it makes no batches."""
    for remark in remarks(x):
        _log.warning("The DataLoader: %s", remark)
    if x.batch_sampler is not None or is_instance(x.sampler, _TORCH_DATA, "BatchSampler"):
        if opener.options.select == () or uses_default_collate(x):
            return open_batches(x, x, opener)
        if keeps_samples(x):
            return open_loaded_samples(x, chain.from_iterable(x), opener)
        return open_batches(x, _checked_batches(x), opener)
    if is_webdataset(x.dataset):
        return _open_by_stages(x.dataset, x, opener)
    if is_iterable_dataset(x.dataset):  # which may make batches itself
        return open_iterable(x, label, opener)
    return open_loaded_samples(x, x, opener)


def open_pipeline(x: Any, _: str, opener: SourceOpener) -> Source:
    """Open a dataset or a loader of WebDataset."""
    for stage in filter(is_data_loader, x.pipeline):
        for remark in remarks(stage):
            _log.warning("The DataLoader: %s", remark)
    return _open_by_stages(x, x, opener)


def _open_by_stages(pipeline: Any, items: Iterable[object], opener: SourceOpener) -> Source:
    """Open items as what the stages of a pipeline of WebDataset make: batches or samples."""
    open_items = open_batches if makes_batches(pipeline) else open_loaded_samples
    return open_items(pipeline, items, opener)


def uses_default_collate(loader: "DataLoader[object]") -> bool:
    """Return whether PyTorch makes the batches of a loader."""
    return str(getattr(loader.collate_fn, "__module__", "")).startswith(_TORCH_DATA)


def keeps_samples(loader: "DataLoader[object]") -> bool:
    """Return whether the batches of a loader are lists of its samples, unchanged.

    That is asked of ``collate_fn`` itself, since a list of two arrays may be two samples, or an
    input and its label.
    """
    samples = [object(), object()]
    try:
        batch = loader.collate_fn(list(samples))
        return isinstance(batch, list | tuple) and [*batch] == samples
    except Exception:  # it needs samples of another type
        return False


def _checked_batches(loader: "DataLoader[object]") -> Iterable[object]:
    """Yield the batches, after checking that the first one is not a list of samples.

    Raises
    ------
    DataError
        If it has as many arrays as samples, and they are not as long as the batch.
    """
    for number, batch in enumerate(loader):
        if number == 0 and _may_be_samples(batch, loader.batch_size):
            raise DataError(
                f"A batch must be one array, or parts that have one row per sample. Received: a "
                f"{type(batch).__name__} of {loader.batch_size} arrays from the collate_fn of a "
                f"DataLoader with batch_size={loader.batch_size}. Pass select=() to read all of "
                "them, or select=0 for the first one of each batch."
            )
        yield batch


def _may_be_samples(batch: Any, size: int | None) -> bool:
    if not isinstance(batch, list | tuple) or hasattr(batch, "_fields") or len(batch) != size:
        return False
    shapes = [shape_of(part) for part in batch]
    return all(shapes) and not all(shape[0] == size for shape in shapes)


def remarks(loader: "DataLoader[object]") -> Iterator[str]:
    """Yield sentences on the rows of its dataset that a DataLoader drops or repeats."""
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if is_iterable_dataset(loader.dataset):
        if loader.num_workers > 1 and not _may_be_sharded(loader):
            yield (
                f"each of the {loader.num_workers} workers reads the whole "
                f"{type(loader.dataset).__name__}, so each row counts {loader.num_workers} times. "
                "Pass num_workers=0, or split the rows with torch.utils.data.get_worker_info()."
            )
    elif is_instance(sampler, _TORCH_DATA, "DistributedSampler"):
        yield _describe_share(sampler)
    elif _draws_with_replacement(sampler):
        yield (
            f"its {type(sampler).__name__} draws rows with replacement, so some rows count "
            "several times and others not at all. Pass the dataset to count each row once."
        )
    yield from _describe_drop_last(loader)


def _may_be_sharded(loader: "DataLoader[object]") -> bool:
    """Return whether the workers may read different rows, since code may ask which worker it is."""
    method = getattr(type(loader.dataset).__iter__, "__code__", None)
    asks = method is None or "get_worker_info" in (*method.co_names, *method.co_freevars)
    library = type(loader.dataset).__module__.partition(".")[0]
    return asks or loader.worker_init_fn is not None or library in _SHARDING_LIBRARIES


def _draws_with_replacement(sampler: "Sampler[int]") -> bool:
    random = is_instance(sampler, _TORCH_DATA, "WeightedRandomSampler", "RandomSampler")
    return random and bool(sampler.replacement)


def _describe_share(sampler: "Sampler[int]") -> str:
    """Return which rows a DistributedSampler yields on this rank."""
    rows, total = len(sampler.dataset), sampler.total_size
    share = f"its DistributedSampler yields {sampler.num_samples:,} of {rows:,} rows on this rank"
    if total > rows:
        share += f"; over all ranks {total - rows:,} rows count twice or more to make equal shares"
    if total < rows:
        share += f"; {rows - total:,} rows are dropped to make equal shares"
    return f"{share}. Pass the dataset to one rank to count each row once."


def _describe_drop_last(loader: "DataLoader[object]") -> Iterator[str]:
    """Yield a remark if the last rows are dropped."""
    batches = loader.batch_sampler
    if not getattr(batches, "drop_last", False) and not loader.drop_last:
        return
    size = getattr(batches, "batch_size", None) or loader.batch_size
    sampler = getattr(batches, "sampler", loader.sampler)
    dropped = "the last rows" if is_iterable_dataset(loader.dataset) else _remainder(sampler, size)
    if dropped:
        yield f"drop_last=True drops {dropped}, which are not fitted. Pass drop_last=False."


def _remainder(sampler: "Sampler[int]", size: int) -> str:
    """Return the number of rows after the last full batch; empty if there are none."""
    try:
        rows = len(sampler) % size
    except TypeError:  # a sampler without a length
        return "the last rows"
    return f"the last {counted(rows, 'row')}" if rows else ""
