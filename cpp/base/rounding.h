// Rounds float64 to the shorter types, once, to nearest even.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/dtype.h"

namespace evenly {

// The bits of `value` in a 16-bit format with `fraction` fraction bits and this exponent bias.
inline uint16_t round_to_16(double value, int fraction, int bias) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  int exponent_bits = 15 - fraction;
  uint16_t infinity = uint16_t(((1 << exponent_bits) - 1) << fraction);
  if (value != value) return uint16_t(sign | infinity | (1 << (fraction - 1)));
  double magnitude = std::abs(value);
  if (magnitude == 0) return sign;
  if (std::isinf(magnitude)) return uint16_t(sign | infinity);
  int exponent = std::max(std::ilogb(magnitude), 1 - bias);
  // In units in the last place, rounded to even. A carry moves up to the next binade by itself.
  // std::nearbyint would round in the mode of the x87 unit on Windows.
  double units = std::ldexp(magnitude, fraction - exponent) + 0x1p52 - 0x1p52;
  int64_t bits = (int64_t(exponent + bias) << fraction) + int64_t(units) - (int64_t(1) << fraction);
  return uint16_t(sign | (bits >= infinity ? infinity : uint16_t(bits)));
}

inline void round_to(double value, double& out) { out = value; }
inline void round_to(double value, float& out) { out = float(value); }
inline void round_to(double value, Float16& out) { out.bits = round_to_16(value, 10, 15); }
inline void round_to(double value, BFloat16& out) { out.bits = round_to_16(value, 7, 127); }

}  // namespace evenly
