"""pyarrow: nothing but decoding, the limit for files. The quickest of its three ways counts."""


def fit_parquet(path, threads):
    """By row groups: what `evenly` is compared with is the quickest of this and the others."""
    parquet = _parquet(threads)

    def work():
        file = parquet.ParquetFile(path)
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=True)

    return work


def fit_parquet_by_batches(path, threads):
    parquet = _parquet(threads)

    def work():
        with parquet.ParquetFile(path, pre_buffer=True) as file:
            for _ in file.iter_batches(use_threads=True):
                pass

    return work


def fit_parquet_by_dataset(path, threads):
    _parquet(threads)
    from pyarrow import dataset

    def work():
        for _ in dataset.dataset(path).to_batches():
            pass

    return work


def _parquet(threads):
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(threads)
    return parquet
