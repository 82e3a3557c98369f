// Counts the values of one column of an 8-bit type, in a table of all of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "distribution/histogram.h"
#include "distribution/ordered_bits.h"

namespace evenly {

// A value of an 8-bit integer or bool minus the least of them, or the code of a missing value.
using ByteCode = uint16_t;

class ByteCounter {
 public:
  static constexpr int kFirst = -128, kLast = 255;
  static constexpr ByteCode kMissing = kLast - kFirst + 1;

  void add(const ByteCode* codes, int64_t count) {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) ++counts_[codes[i + lane]][lane];
    }
    for (; i < count; ++i) ++counts_[codes[i]][0];
  }

  // Returns the histogram, and starts again.
  Histogram take(int64_t most_bins) {
    std::vector<Bin> bins;
    for (int value = kFirst; value <= kLast; ++value) {
      int64_t count = 0;
      for (int64_t lane : counts_[value - kFirst]) count += lane;
      if (count > 0) bins.push_back({ordered_bits(value), count});
    }
    counts_ = {};
    return Histogram(most_bins, 0, std::move(bins));
  }

 private:
  // Neighboring values are counted in different lanes: a processor needs several cycles until it
  // can increment the same count again, and values of images are often equal.
  static constexpr int kLanes = 4;

  std::array<std::array<int64_t, kLanes>, kMissing + 1> counts_{};
};

}  // namespace evenly
