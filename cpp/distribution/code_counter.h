// Counts the values of one column of an 8-bit or 16-bit type, in a table of all of them.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "distribution/count_indices.h"
#include "distribution/histogram.h"
#include "distribution/ordered_bits.h"

namespace evenly {

// The bits of a value as an integer of the same order; or the number of codes, for a missing value.
using Code = uint32_t;

template <class T>
constexpr int64_t number_of_codes() {
  if constexpr (std::is_same_v<T, Bool>) return 2;
  return sizeof(T) <= 2 ? int64_t(1) << 8 * sizeof(T) : 0;
}

template <class T>
Code code_of(T x) {
  if constexpr (kIsFloating<T>) {
    return x.bits & 0x8000 ? 0xffff - x.bits : 0x8000 + x.bits;
  } else {
    return Code(to_number(x) - std::numeric_limits<decltype(to_number(x))>::min());
  }
}

// The value of a code; of a type without codes, NaN.
template <class T>
double value_of_code(Code code) {
  if constexpr (number_of_codes<T>() == 0) {
    return std::numeric_limits<double>::quiet_NaN();
  } else if constexpr (kIsFloating<T>) {
    return to_number(T{uint16_t(code & 0x8000 ? code - 0x8000 : 0xffff - code)});
  } else {
    return double(int64_t(code) + std::numeric_limits<decltype(to_number(T()))>::min());
  }
}

class CodeCounter {
 public:
  void start(int64_t codes) {
    codes_ = codes;
    tables_.resize(codes + 1);
  }

  void add(const Code* codes, int64_t count) {
    if (in_tables_ > CountTables::kMostIndices - count) empty_tables();
    tables_.count(codes, count);
    in_tables_ += count;
  }

  // Returns the histogram, and starts again. value_of(code) returns the value of a code.
  template <class F>
  Histogram take(int64_t most_bins, F&& value_of) {
    std::vector<Bin> bins;
    const auto add = [&](int64_t code, int64_t count) {
      const double value = value_of(Code(code));
      if (count == 0 || !is_finite_bits(value)) return;
      append_bin(bins, ordered_bits(value), count);  // -0.0 and 0.0 have the same bits
    };
    if (totals_.empty()) {
      bins.reserve(std::size_t(tables_.used(codes_)));
      tables_.take_all(0, codes_, add);
      tables_.take(codes_);
    } else {
      empty_tables();
      for (int64_t code = 0; code < codes_; ++code) add(code, totals_[std::size_t(code)]);
      totals_.clear();
    }
    in_tables_ = 0;
    return Histogram(most_bins, 0, std::move(bins));
  }

 private:
  // Adds the counts, of 32 bits, to totals of 64 bits.
  void empty_tables() {
    totals_.resize(std::size_t(codes_ + 1));
    tables_.take_all(0, codes_ + 1,
                     [&](int64_t code, int64_t count) { totals_[std::size_t(code)] += count; });
    in_tables_ = 0;
  }

  int64_t codes_ = 0, in_tables_ = 0;
  CountTables tables_;
  std::vector<int64_t> totals_;  // empty as long as the tables have all counts
};

}  // namespace evenly
