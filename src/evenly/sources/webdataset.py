"""Whether the items of a pipeline of WebDataset are samples or batches."""

from typing import Any

from evenly.dispatch import is_data_loader, is_webdataset


def makes_batches(x: Any) -> bool:
    """Return whether the items of a dataset or a loader of WebDataset are batches.

    The last stage that makes batches or splits them decides. A DataLoader without a batch size
    yields what its dataset does.
    """
    for stage in reversed(x.pipeline):
        name = getattr(getattr(stage, "f", None), "__name__", "")
        if name in ("_batched", "_unbatched"):
            return bool(name == "_batched")
        if is_data_loader(stage):
            dataset = stage.dataset
            made = stage.batch_sampler is not None
            return made or (is_webdataset(dataset) and makes_batches(dataset))
    return False
