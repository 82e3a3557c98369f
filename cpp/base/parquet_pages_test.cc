// Page headers of any bytes are decoded or rejected, and nothing is read past the buffer.
#include "base/parquet_pages.h"

#include <stdio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

constexpr int64_t kNoLimit = int64_t(1) << 40;

// An unnamed file.
struct File {
  FILE* file = tmpfile();
  explicit File(const std::string& content) {
    fwrite(content.data(), 1, content.size(), file);
    fflush(file);
  }
  ~File() { fclose(file); }
  int64_t largest(int64_t start, int64_t stop, int64_t limit = kNoLimit) const {
    return largest_parquet_page(ParquetBytes(fileno(file)), start, stop, limit);
  }
};

// The part of a file from a position on, in memory of exactly its size.
struct Part {
  std::vector<uint8_t> bytes;
  int64_t offset;
  Part(const std::string& content, int64_t position)
      : bytes(content.begin(), content.end()), offset(position) {}
  ParquetBytes file() const { return {bytes.data(), int64_t(bytes.size()), offset}; }
  int64_t largest(int64_t start, int64_t stop, int64_t limit = kNoLimit) const {
    return largest_parquet_page(file(), start, stop, limit);
  }
};

std::string integer(int64_t value) {
  uint64_t zigzag = (uint64_t(value) << 1) ^ uint64_t(value >> 63);
  std::string text;
  for (; zigzag >= 128; zigzag >>= 7) text += char(zigzag | 128);
  return text + char(zigzag);
}

// A header of a data page, with statistics of `padding` bytes, and its data.
std::string page(int64_t uncompressed, int64_t compressed, size_t padding = 0) {
  std::string text = std::string("\x15") + integer(0) + "\x15" + integer(uncompressed) + "\x15" +
                     integer(compressed) + "\x2c\x15" + integer(7) + "\x18";
  text += char(padding);  // the length, below 128
  text += std::string(padding, 'x');
  text += '\0';  // end of the inner struct
  text += '\0';  // end of the header
  return text + std::string(size_t(compressed), 'd');
}

}  // namespace

TEST(largest_of_several_parquet_pages) {
  std::string chunk = page(100, 20) + page(3000, 7, 100) + page(5, 0);
  File file("PAR1" + chunk);
  CHECK(file.largest(4, 4 + int64_t(chunk.size())) == 3000);
  CHECK(file.largest(4, 4 + int64_t(chunk.size()), 50) == 100);  // stops at the first beyond
  CHECK(file.largest(4, 4) == 0);
}

TEST(parquet_pages_in_memory_are_those_of_the_file) {
  std::string chunk = page(100, 20) + page(3000, 700, 100) + page(5, 0);
  Part part(chunk, 1000);
  CHECK(part.largest(1000, 1000 + int64_t(chunk.size())) == 3000);
  CHECK(part.largest(1000, 1001) == 100);
  CHECK(part.largest(999, 1001) == kInvalidPageHeader);  // before the part
  CHECK(part.largest(1000, 1000 + int64_t(chunk.size()) + 1) == kInvalidPageHeader);  // after it
  CHECK(Part("", 8).largest(8, 9) == kInvalidPageHeader);
}

TEST(parquet_page_headers_that_are_cut_or_invalid) {
  std::string whole = page(100, 3);
  for (size_t size = 0; size < whole.size() - 3; ++size) {
    CHECK(File(whole.substr(0, size)).largest(0, 1) == kInvalidPageHeader);
  }
  CHECK(File(page(-5, 3)).largest(0, 1) == kInvalidPageHeader);
  CHECK(File(std::string(40, '\x1c')).largest(0, 1) == kInvalidPageHeader);  // nested structs
  CHECK(File(std::string("\x19\xf5\xff\xff\xff\xff\xff\xff\xff\x7f", 10)).largest(0, 1) ==
        kInvalidPageHeader);  // a list of too many
  CHECK(File(std::string(20, '\xff')).largest(0, 1) == kInvalidPageHeader);
}

TEST(parquet_page_headers_of_random_bytes) {
  Random random(seed());
  for (int round = 0; round < portion(20000); ++round) {
    std::string bytes = round % 2 ? page(random.below(1 << 20), random.below(40)) : "";
    size_t size = random.below(60);
    while (bytes.size() < size) bytes += char(random.below(256));
    if (!bytes.empty()) bytes[random.below(bytes.size())] = char(random.below(256));
    File(bytes).largest(0, int64_t(bytes.size()));
  }
}

namespace {

std::string footer(const std::string& metadata, const std::string& magic = "PAR1") {
  uint32_t size = uint32_t(metadata.size());
  return metadata + std::string(reinterpret_cast<const char*>(&size), 4) + magic;
}

// One row group of one column chunk, with an unknown field before each field that is read.
std::string metadata(int64_t values, int64_t bytes, int64_t data, int64_t dictionary,
                     int64_t uncompressed = 250) {
  std::string column = std::string("\x15") + integer(2);
  column.append("\x46").append(integer(values));
  column.append("\x16").append(integer(uncompressed)).append("\x16").append(integer(bytes));
  column.append("\x26").append(integer(data));
  if (dictionary) column.append("\x26").append(integer(dictionary));
  column += '\0';
  std::string chunk = std::string("\x26") + integer(9) + "\x1c" + column + '\0';
  return std::string("\x15") + integer(1) + "\x39\x1c\x19\x1c" + chunk + '\0' + '\0';
}

std::optional<std::vector<ColumnChunk>> chunks_of(const std::string& content) {
  return parquet_chunks(ParquetBytes(fileno(File(content).file)), int64_t(content.size()));
}

}  // namespace

TEST(parquet_footer_has_the_ranges_of_chunks) {
  auto range = [](const std::string& text) { return (*chunks_of(footer(text)))[0]; };
  CHECK(range(metadata(5, 100, 40, 0)).start == 40);
  CHECK(range(metadata(5, 100, 40, 4)).start == 4);
  CHECK(range(metadata(5, 100, 40, 4)).stop == 104);
  CHECK(range(metadata(0, 100, 40, 4)).stop == 0);
  CHECK(range(metadata(5, 100, 40, 4)).uncompressed == 250);
  CHECK(range(metadata(5, 100, 40, 4)).values == 5);
  CHECK(chunks_of(footer(std::string(1, '\0')))->empty());
}

TEST(parquet_footer_in_memory_is_that_of_the_file) {
  const std::string content = footer(metadata(5, 100, 40, 4));
  Part part(content, 1000);
  const int64_t size = 1000 + int64_t(content.size());
  CHECK((*parquet_chunks(part.file(), size))[0].stop == 104);
  CHECK(!parquet_chunks(part.file(), size + 1));
  CHECK(!parquet_chunks(Part(content.substr(9), 1009).file(), size));  // the rest is not in memory
}

TEST(parquet_footers_that_are_cut_or_invalid) {
  const std::string whole = metadata(5, 100, 40, 4);
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK(!chunks_of(footer(whole.substr(0, size))));
  }
  CHECK(!chunks_of(""));
  CHECK(!chunks_of("PAR1"));
  CHECK(!chunks_of("\xff\xff\xff\xffPAR1"));
  CHECK(!chunks_of(footer(metadata(5, -1, 40, 4))));
  CHECK(!chunks_of(footer(metadata(5, 100, -40, 0))));
  CHECK(!chunks_of(footer(metadata(5, INT64_MAX, 40, 4))));
  CHECK(!chunks_of(footer(metadata(5, 100, 40, 4, -1))));
  CHECK(!chunks_of(footer(metadata(-5, 100, 40, 4))));
}

TEST(parquet_footers_of_random_bytes) {
  Random random(seed());
  for (int round = 0; round < portion(20000); ++round) {
    std::string bytes = metadata(random.below(9), random.below(1 << 20), random.below(99), 4);
    for (int change = 0; change < 3; ++change) {
      bytes[random.below(bytes.size())] = char(random.below(256));
    }
    chunks_of(footer(bytes));
  }
}
