// Positions and sizes of Parquet pages, read from the footer and from page headers. Both are in the
// compact protocol of Apache Thrift; the fields are those of parquet.thrift.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace evenly {

// Returned by largest_parquet_page for headers that cannot be decoded.
inline constexpr int64_t kInvalidPageHeader = -1;

// Returns the largest uncompressed size, in bytes, of the pages in a column chunk, which lies from
// `start` to `stop` in an open file. Reading stops at the first page that is larger than `limit`.
//
// Readers allocate whatever size a header declares, so the sizes are checked before.
int64_t largest_parquet_page(int file, int64_t start, int64_t stop, int64_t limit);

// A range of bytes in a file.
struct FileRange {
  int64_t start = 0;
  int64_t stop = 0;
};

// Returns the range of each column chunk of a Parquet file of `size` bytes: all columns of the
// first row group, then of the second, and so on. A chunk without values has an empty range.
// Returns nothing if the footer cannot be decoded.
//
// (PyArrow's ColumnChunkMetaData ends the process for an invalid footer.)
std::optional<std::vector<FileRange>> parquet_chunks(int file, int64_t size);

}  // namespace evenly
