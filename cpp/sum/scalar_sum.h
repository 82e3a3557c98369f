// The scalar path: adds one value at a time to the exact sums.
//
// Correct for any finite value. It handles what the kernels cannot, and is the reference that they
// are tested against.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "base/dtype.h"
#include "exact/moments.h"

namespace evenly {

// |value| = mantissa * 2^(field - 1075), with the exponent field of its bits, or 1 if it is
// subnormal.
struct Magnitude {
  uint64_t mantissa;
  int field;

  explicit Magnitude(double value) {
    uint64_t bits = std::bit_cast<uint64_t>(value);
    int own = int(bits >> 52) & 0x7ff;
    mantissa = (bits & ((uint64_t(1) << 52) - 1)) | uint64_t(own != 0) << 52;
    field = std::max(own, 1);
  }
};

// value = mantissa * 2^exponent.
struct Scaled {
  int64_t mantissa;
  int exponent;
};
inline Scaled scaled(double value) {
  auto [mantissa, field] = Magnitude(value);
  if (mantissa == 0) return {0, 0};
  // Without trailing zeros, fewer limbs are touched.
  int zeros = std::countr_zero(mantissa);
  int64_t rest = int64_t(mantissa >> zeros);
  return {std::signbit(value) ? -rest : rest, field - 1075 + zeros};
}

inline void add_sums(Column& column, double x) {
  Scaled value = scaled(x);
  column.sum.add(value.mantissa, value.exponent);
  column.squares.add_wide(int128(value.mantissa) * value.mantissa, 2 * value.exponent);
}
template <class Integer>
void add_sums(Column& column, Integer x) {
  unsigned __int128 magnitude = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
  unsigned __int128 square = magnitude * magnitude;
  column.sum.add_wide(int128(x), 0);
  if (square >> 127) {  // 2^127 and more do not fit into a signed 128-bit integer
    column.squares.add_wide(int128(square >> 64), 64);
    square = uint64_t(square);
  }
  column.squares.add_wide(int128(square), 0);
}
template <class Number>
ExtremeValue extreme_value_of_number(Number x) {
  if constexpr (std::is_floating_point_v<Number>) {
    return extreme_value(x);
  } else {
    return extreme_value_of_integer(x);
  }
}

// Adds to sums and extremes but not to the count.
template <class Number>
void add_scalar(Column& column, Number x) {
  add_sums(column, x);
  column.include(extreme_value_of_number(x));
}

// Adds weight * x and weight * x*x exactly. The weight must be finite and positive.
inline void add_weighted_sums(Column& column, Scaled weight, double x) {
  Scaled value = scaled(x);
  int exponent = weight.exponent + value.exponent;
  int128 product = int128(weight.mantissa) * value.mantissa;  // 106 bits
  column.sum.add_wide(product, exponent);
  // product * mantissa has 159 bits, so split the product at bit 53.
  int128 high = product >> 53;
  int64_t low = int64_t(product - (high << 53));
  exponent += value.exponent;
  column.squares.add_wide(high * value.mantissa, exponent + 53);
  column.squares.add_wide(int128(low) * value.mantissa, exponent);
}
template <class Integer>
void add_weighted_sums(Column& column, Scaled weight, Integer x) {
  // Splits x into a*2^32 + b; both parts are small enough for the products below.
  int128 wide = int128(x);
  int64_t high = int64_t(wide >> 32), low = int64_t(wide & 0xffffffff);
  int128 weighted_high = int128(weight.mantissa) * high;  // 53 + 33 bits
  int128 weighted_low = int128(weight.mantissa) * low;
  column.sum.add_wide(weighted_high, weight.exponent + 32);
  column.sum.add_wide(weighted_low, weight.exponent);
  column.squares.add_wide(weighted_high * high, weight.exponent + 64);
  column.squares.add_wide(weighted_high * low, weight.exponent + 33);
  column.squares.add_wide(weighted_low * low, weight.exponent);
}

}  // namespace evenly
