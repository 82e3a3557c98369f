// Positions and sizes of Parquet pages, read from the footer and from page headers. Both are in the
// compact protocol of Apache Thrift; the fields are those of parquet.thrift.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace evenly {

// Returned by largest_parquet_page for headers that cannot be decoded.
inline constexpr int64_t kInvalidPageHeader = -1;

// An open file, or the part of a file that is in memory, from the byte `offset` on.
class ParquetBytes {
 public:
  explicit ParquetBytes(int file) : file_(file) {}
  ParquetBytes(const uint8_t* data, int64_t size, int64_t offset)
      : data_(data), size_(size), offset_(offset) {}

  // Reads at most `size` bytes at a position of the file. Returns how many were read: fewer at the
  // end of the file, and 0 or -1 where it cannot be read.
  int64_t read_at(uint8_t* data, int64_t size, int64_t position) const;

 private:
  int file_ = -1;
  const uint8_t* data_ = nullptr;
  int64_t size_ = 0;
  int64_t offset_ = 0;
};

// Returns the largest uncompressed size, in bytes, of the pages in a column chunk, which lies from
// `start` to `stop` in a file. Reading stops at the first page that is larger than `limit`.
//
// Readers allocate whatever size a header declares, so the sizes are checked before.
int64_t largest_parquet_page(const ParquetBytes& file, int64_t start, int64_t stop, int64_t limit);

// The range of bytes of a column chunk in a file, the size of its pages when decompressed, and the
// number of its values, which a dictionary may hold in few bytes.
struct ColumnChunk {
  int64_t start = 0;
  int64_t stop = 0;
  int64_t uncompressed = 0;
  int64_t values = 0;
};

// Returns the column chunks of a Parquet file of `size` bytes: all columns of the first row group,
// then of the second, and so on. A chunk without values has an empty range. Returns nothing if the
// footer cannot be decoded.
//
// (PyArrow's ColumnChunkMetaData ends the process for an invalid footer.)
std::optional<std::vector<ColumnChunk>> parquet_chunks(const ParquetBytes& file, int64_t size);

}  // namespace evenly
