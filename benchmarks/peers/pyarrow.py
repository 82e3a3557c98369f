"""pyarrow: decoding alone, the limit for files. The fastest of its three ways counts."""


def fit_parquet(path, threads):
    """Decode one row group after the other."""
    parquet = _parquet(threads)

    def run():
        file = parquet.ParquetFile(path)
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=True)

    return run


def fit_parquet_by_batches(path, threads):
    parquet = _parquet(threads)

    def run():
        with parquet.ParquetFile(path, pre_buffer=True) as file:
            for _ in file.iter_batches(use_threads=True):
                pass

    return run


def fit_parquet_by_dataset(path, threads):
    _parquet(threads)
    from pyarrow import dataset

    def run():
        for _ in dataset.dataset(path).to_batches():
            pass

    return run


def _parquet(threads):
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(threads)
    return parquet
