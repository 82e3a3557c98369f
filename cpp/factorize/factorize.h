// Assigns codes to keys: equal keys get equal codes, 0, 1, 2, … in order of first appearance.
#pragma once

#include <cstdint>
#include <vector>

namespace evenly {

struct Factorized {
  std::vector<int64_t> codes;       // the code of each row
  std::vector<int64_t> first_rows;  // the first row of each code
};

Factorized factorize_words(const uint64_t* words, int64_t rows);

// Strings stored in one or more buffers.
struct StringColumn {
  std::vector<const uint8_t*> buffers;
  const int32_t* buffer;  // the buffer of each row
  const int64_t* offset;  // the start in that buffer
  const int64_t* length;  // the length in bytes
  int64_t rows;
};
Factorized factorize_strings(const StringColumn& strings);

}  // namespace evenly
