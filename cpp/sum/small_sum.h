// Sums a few values of one column without a tile: as integers in a common unit, which are added to
// the exact sums once instead of once per value.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>

#include "sum/scalar_sum.h"

namespace evenly {

inline constexpr int kMaxSmall = 64;

// Adds up to 64 numbers, without counting them. Returns false and adds nothing if one is not finite
// or their exponents differ too much.
inline bool add_small(Column& column, const double* values, int count) {
  constexpr int kFurthest = 63, kBucketBits = 16;  // of exponents; of squares in one bucket
  uint64_t all = 0;
  int lowest = 0x7ff, highest = 0;
  double min = values[0], max = values[0];
  for (int i = 0; i < count; ++i) {
    auto [mantissa, field] = Magnitude(values[i]);
    min = std::min(min, values[i]);
    max = std::max(max, values[i]);
    if (field == 0x7ff) return false;
    if (mantissa == 0) continue;
    all |= mantissa;
    lowest = std::min(lowest, field);
    highest = std::max(highest, field);
  }
  if (all != 0 && highest - lowest > kFurthest) return false;
  column.include(extreme_value(min));
  column.include(extreme_value(max));
  if (all == 0) return true;
  // x = mantissa * 2^(unit + apart). A mantissa has at most 53 bits: the sum of 64 of them takes 53
  // + 63 + 6 bits, and the sum of the squares whose shift is below 16 takes 106 + 14 + 6.
  const int zeros = std::countr_zero(all), unit = lowest - 1075 + zeros;
  int128 sum = 0;
  unsigned __int128 squares[2 * kFurthest / kBucketBits + 1] = {};
  for (int i = 0; i < count; ++i) {
    auto [mantissa, field] = Magnitude(values[i]);
    if (mantissa == 0) continue;
    mantissa >>= zeros;
    int apart = field - lowest;
    int128 wide = int128(mantissa) << apart;
    sum += std::signbit(values[i]) ? -wide : wide;
    squares[2 * apart / kBucketBits] += (unsigned __int128)mantissa * mantissa
                                        << 2 * apart % kBucketBits;
  }
  column.sum.add_wide(sum, unit);
  for (int bucket = 0; bucket <= 2 * (highest - lowest) / kBucketBits; ++bucket) {
    column.squares.add_wide(int128(squares[bucket]), 2 * unit + bucket * kBucketBits);
  }
  return true;
}

// The same for integers below 2^60 in magnitude.
template <class Integer>
bool add_small(Column& column, const Integer* values, int count) {
  auto [min, max] = std::minmax_element(values, values + count);
  if constexpr (sizeof(Integer) == 8) {
    constexpr int64_t kLimit = int64_t(1) << 60;
    if (*max > Integer(kLimit) || (std::is_signed_v<Integer> && *min < Integer(-kLimit)))
      return false;
  }
  int128 sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    sum += values[i];
    squares += int128(values[i]) * values[i];
  }
  column.sum.add_wide(sum, 0);
  column.squares.add_wide(squares, 0);
  column.include(extreme_value_of_integer(*min));
  column.include(extreme_value_of_integer(*max));
  return true;
}

}  // namespace evenly
