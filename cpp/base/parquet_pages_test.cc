// Page headers of any bytes are decoded or rejected, and nothing is read past the buffer.
#include "base/parquet_pages.h"

#include <stdio.h>
#include <unistd.h>

#include <string>

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
    return largest_parquet_page(fileno(file), start, stop, limit);
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
  std::string text = "\x15" + integer(0) + "\x15" + integer(uncompressed) + "\x15" +
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
