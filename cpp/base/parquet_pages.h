// Sizes of Parquet pages, read from their headers without decompressing them.
#pragma once

#include <cstdint>

namespace evenly {

// Returned by largest_parquet_page for headers that cannot be decoded.
inline constexpr int64_t kInvalidPageHeader = -1;

// Returns the largest uncompressed size, in bytes, of the pages in a column chunk, which lies from
// `start` to `stop` in an open file. Page headers are in the compact protocol of Apache Thrift; the
// fields are those of PageHeader in parquet.thrift. Reading stops at the first page that is larger
// than `limit`.
//
// Readers allocate whatever size a header declares, so the sizes are checked before.
int64_t largest_parquet_page(int file, int64_t start, int64_t stop, int64_t limit);

}  // namespace evenly
