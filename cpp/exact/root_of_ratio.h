// The square root of a quotient of integers, rounded to nearest, unless the rounding is uncertain.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace evenly {

// value * 2^exponent for a result that is neither subnormal nor overflows. A product with a power
// of two is exact and takes a cycle or two; ldexp is a function of the C library.
inline double times_power(double value, int exponent) {
  if (exponent < -1022 || exponent > 1023) return std::ldexp(value, exponent);
  return value * std::bit_cast<double>(uint64_t(exponent + 1023) << 52);
}

// A number in [1, 2) as a sum of two doubles, with an error below 2^-105, times a power of two.
struct Double2 {
  double high, low;
  int exponent;
};

// The number whose highest 128 bits are top and bottom, of which the highest is 1 and stands for
// 2^exponent. Lower bits are ignored.
inline Double2 double2(uint64_t top, uint64_t bottom, int exponent) {
  uint64_t first = top >> 11;  // 53 bits
  // Both parts of the other 75 bits are doubles, so that only their sum is rounded.
  uint64_t second = (top & 0x7ff) << 42 | bottom >> 22, third = bottom & ((uint64_t(1) << 22) - 1);
  double rest = double(int64_t(second)) * 0x1p22 + double(int64_t(third));
  return {double(int64_t(first)) * 0x1p-52, rest * 0x1p-127, exponent};
}

// Computes sqrt(a / b) and returns whether it is certainly rounded to nearest. Quotient and root
// are each one Newton step from the double results, whose residuals fma gives exactly (Markstein
// 1990); the total error is below 2^-101 of the result. If both ends of an interval eight times as
// wide round to the same double, so does the true value (Ziv 1991).
inline bool root_of_ratio(Double2 a, const Double2& b, double& result) {
  // Half of all exponents are odd, so a branch would often be predicted wrongly.
  int exponent = a.exponent - b.exponent, odd = exponent & 1;
  a.high *= 1 + odd, a.low *= 1 + odd;
  exponent -= odd;
  double q = a.high / b.high;
  double q_rest = (std::fma(-q, b.high, a.high) + (a.low - q * b.low)) / b.high;
  double high = q + q_rest;
  double low = q_rest - (high - q);
  double root = std::sqrt(high);
  double rest = (std::fma(-root, root, high) + low) / (2 * root);
  double doubt = root * 0x1p-98;
  double least = root + (rest - doubt), most = root + (rest + doubt);
  result = times_power(least, exponent / 2);
  return least == most;
}

// Whether a column with this standard deviation, or its inverse, need not be scaled by a power of
// two before it is normalized.
inline bool is_ordinary(double value) {
  return value == 0 || (value > 0x1p-950 && value < 0x1p960);
}

}  // namespace evenly
