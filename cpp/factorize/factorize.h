// Rows that have equal keys get equal numbers: 0, 1, 2, … in the order in which keys appear.
#pragma once

#include <cstdint>
#include <vector>

namespace evenly {

struct Factorized {
  std::vector<int64_t> codes;       // of each row
  std::vector<int64_t> first_rows;  // of each code, the first row that has it
};

Factorized factorize_words(const uint64_t* words, int64_t rows);

// Texts that lie in any of several buffers.
struct StringColumn {
  std::vector<const uint8_t*> buffers;
  const int32_t* buffer;  // of each row
  const int64_t* offset;  // in that buffer
  const int64_t* length;  // bytes
  int64_t rows;
};
Factorized factorize_strings(const StringColumn& strings);

}  // namespace evenly
