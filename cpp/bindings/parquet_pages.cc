// Bindings of the sizes of Parquet pages.
#include "base/parquet_pages.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <tuple>
#include <vector>

#include "bindings/bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using Chunk = std::tuple<int64_t, int64_t, int64_t, int64_t>;

ParquetBytes bytes_of(const nb::bytes& data, int64_t offset) {
  return {static_cast<const uint8_t*>(data.data()), int64_t(data.size()), offset};
}

int64_t largest_page(const ParquetBytes& file, int64_t start, int64_t stop, int64_t limit) {
  nb::gil_scoped_release release;
  return largest_parquet_page(file, start, stop, limit);
}

std::optional<std::vector<Chunk>> chunks_of(const ParquetBytes& file, int64_t size) {
  std::optional<std::vector<ColumnChunk>> chunks;
  {
    nb::gil_scoped_release release;
    chunks = parquet_chunks(file, size);
  }
  if (!chunks) return {};
  std::vector<Chunk> result;
  for (const ColumnChunk& chunk : *chunks) {
    result.emplace_back(chunk.start, chunk.stop, chunk.uncompressed, chunk.values);
  }
  return result;
}

}  // namespace

void bind_parquet_pages(nb::module_& m) {
  m.def(
      "largest_parquet_page",
      [](int file, int64_t start, int64_t stop, int64_t limit) {
        return largest_page(ParquetBytes(file), start, stop, limit);
      },
      "file"_a, "start"_a, "stop"_a, "limit"_a,
      "Returns the largest uncompressed size of the Parquet pages in a range of an open file, or "
      "of the first one beyond the limit; -1 for headers that cannot be decoded.");
  m.def(
      "largest_parquet_page_in",
      [](const nb::bytes& data, int64_t offset, int64_t start, int64_t stop, int64_t limit) {
        return largest_page(bytes_of(data, offset), start, stop, limit);
      },
      "data"_a, "offset"_a, "start"_a, "stop"_a, "limit"_a,
      "Like largest_parquet_page, for the part of a file from the byte `offset` on.");
  m.def(
      "parquet_chunks", [](int file, int64_t size) { return chunks_of(ParquetBytes(file), size); },
      "file"_a, "size"_a,
      "Returns the column chunks of an open Parquet file, by row group: their start, their stop, "
      "the size of their pages when decompressed, and the number of their values. None if the "
      "footer cannot be decoded.");
  m.def(
      "parquet_chunks_in",
      [](const nb::bytes& data, int64_t offset, int64_t size) {
        return chunks_of(bytes_of(data, offset), size);
      },
      "data"_a, "offset"_a, "size"_a,
      "Like parquet_chunks, for the end of a file from the byte `offset` on.");
}

}  // namespace evenly
