"""How much of a source is read at a time.

Each reader takes its sizes from `current`. Tests replace it by smaller sizes, so that little data
has many blocks.
"""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class BlockSizes:
    """Sizes of the blocks, batches and chunks of each kind of source.

    Attributes
    ----------
    array_bytes
        Size of a block of an array: some 10 ms of work, so that progress and Ctrl-C are handled
        in time.
    copied_array_bytes
        Size of a block that must be copied to select columns or swap bytes.
    min_array_rows
        Minimum rows of a block that is not copied: the overhead is 0.1 µs per block and column.
    table_bytes
        Maximum size of a block of a table, about 20 ms of work. (With groups, each block also
        costs 0.1 µs per column of each of its groups.)
    npy_bytes
        Bytes to read at a time from an NPY file that cannot be mapped.
    mapped_npy_bytes
        Bytes of a mapped table to read before its pages are released.
    store_bytes
        Size of a block of a Zarr or HDF5 array: a few chunks, which are decoded while the previous
        block is summed. Beyond 32 MB the C library requests new pages from the system for each
        block.
    max_store_bytes
        Maximum size of such a block that keeps rows in order; otherwise blocks follow the chunks.
    parquet_batch_rows
        Rows of a batch: enough that the overhead per column of a batch is small. With 5.6 million
        rows × 64 columns on two cores, batches of 2**14 rows reach 0.65 of the speed of decoding
        alone, 2**16 rows 0.86 and 2**17 rows 0.92; but the last take 460 MB instead of 380 MB.
    parquet_chunk_bytes, parquet_chunk_rows
        Size of a batch of some columns: it stays in the core's cache until it is summed.
    csv_chunk_bytes
        Size of the chunks of a CSV file that threads parse.
    max_csv_record_bytes
        Maximum length of a record; in a longer one a quote was never closed.
    csv_text_bytes
        Bytes of a CSV file to convert at a time, when its options require a conversion.
    images_per_task
        Maximum number of images in a task. Images in an archive keep the archive open.
    image_bytes
        Bytes of image files to read before the first one is decoded, at least one file. It is
        also about the size of a task, so that a few large photographs are distributed over all
        threads.
    """

    array_bytes: int = 256 * 2**20
    copied_array_bytes: int = 16 * 2**20
    min_array_rows: int = 16_384
    table_bytes: int = 256 * 2**20
    npy_bytes: int = 16 * 2**20
    mapped_npy_bytes: int = 256 * 2**20
    store_bytes: int = 8 * 2**20
    max_store_bytes: int = 256 * 2**20
    parquet_batch_rows: int = 2**16
    parquet_chunk_bytes: int = 4 * 2**20
    parquet_chunk_rows: int = 2**17
    csv_chunk_bytes: int = 8 * 2**20
    max_csv_record_bytes: int = 64 * 2**20
    csv_text_bytes: int = 2**20
    images_per_task: int = 16
    image_bytes: int = 2**20


current = BlockSizes()
"""The sizes that the readers use."""
