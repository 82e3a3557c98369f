// Counts of indices, in tables of 32-bit counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace evenly {

// Two tables, in which every other index is counted. A processor needs several cycles until it can
// increment the same count again, and values that follow each other are often equal. More tables
// would take more of the cache.
class CountTables {
 public:
  // The most indices until all counts must be taken.
  static constexpr int64_t kMostIndices = (int64_t(1) << 32) - 1;

  // Sets the number of counts of a table. All counts must be 0.
  void resize(int64_t size) {
    size_ = size;
    if (std::size_t(2 * size) > counts_.size()) counts_ = std::vector<uint32_t>(2 * size);
  }

  void count(const uint32_t* indices, int64_t count) {
    uint32_t* const first = counts_.data();
    uint32_t* const second = first + size_;
    int64_t i = 0;
    for (; i + 2 <= count; i += 2) {
      uint64_t pair;  // one load
      std::memcpy(&pair, indices + i, sizeof pair);
      ++first[uint32_t(pair)];
      ++second[pair >> 32];
    }
    for (; i < count; ++i) ++first[indices[i]];
  }

  // Returns a count, and sets it to 0.
  int64_t take(int64_t index) {
    uint32_t* const at = counts_.data() + index;
    return int64_t(std::exchange(at[0], 0)) + std::exchange(at[size_], 0);
  }

  // Calls f(index, count) for the indices from `first` to `end` that were counted, in ascending
  // order, and sets their counts to 0.
  template <class F>
  void take_all(int64_t first, int64_t end, F&& f) {
    while (first < end) {
      const int64_t next = std::min(first + kScan, end);
      if (is_used(first, next)) {
        for (int64_t i = first; i < next; ++i) {
          if (const int64_t count = take(i)) f(i, count);
        }
      }
      first = next;
    }
  }

  // The number of the first `end` indices that were counted.
  int64_t used(int64_t end) const {
    const uint32_t* const at = counts_.data();
    int64_t number = 0;
    for (int64_t i = 0; i < end; ++i) number += (at[i] | at[size_ + i]) != 0;
    return number;
  }

 private:
  static constexpr int64_t kScan = 32;  // most counts are 0

  bool is_used(int64_t first, int64_t end) const {
    const uint32_t* const at = counts_.data();
    uint32_t bits = 0;
    for (int64_t i = first; i < end; ++i) bits |= at[i] | at[size_ + i];
    return bits != 0;
  }

  int64_t size_ = 0;
  std::vector<uint32_t> counts_;
};

}  // namespace evenly
