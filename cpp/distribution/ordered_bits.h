// Floating-point numbers as integers of the same order.
#pragma once

#include <bit>
#include <cstdint>

namespace evenly {

constexpr uint64_t kSignBit = uint64_t(1) << 63;

// Bits of sign and magnitude as an unsigned integer of the same order.
inline uint64_t in_order_of_values(uint64_t bits) {
  return bits ^ (uint64_t(int64_t(bits) >> 63) | kSignBit);
}

// The bits of a double as an unsigned integer: a < b exactly if ordered_bits(a) < ordered_bits(b).
// -0.0 gets the bits of 0.0, since they are equal; the operations are those of a vector register.
inline uint64_t ordered_bits(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  return in_order_of_values(bits) + uint64_t(bits == kSignBit);
}

inline double from_ordered_bits(uint64_t ordered) {
  return std::bit_cast<double>(ordered & kSignBit ? ordered ^ kSignBit : ~ordered);
}

inline bool is_finite_bits(double value) {
  constexpr uint64_t kExponent = uint64_t(0x7ff) << 52;
  return (std::bit_cast<uint64_t>(value) & kExponent) != kExponent;
}

}  // namespace evenly
