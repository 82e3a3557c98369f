// The loop is written once; each file that includes this compiles it for its instruction set.
#pragma once

#include <bit>
#include <utility>

#include "distribution/ordered_bits.h"
#include "distribution/window.h"
#include "kernels/simd.h"

namespace evenly {
namespace {

constexpr int64_t kInfinity = int64_t(0x7ff) << 52;

// One value at a time.
uint32_t find_index(double value, const BinWindow& window) {
  const uint64_t bits = std::bit_cast<uint64_t>(value), magnitude = bits & ~kSignBit;
  const uint64_t place = (magnitude >> window.shift) - window.base;
  if (magnitude != 0 && place < window.size && (magnitude & window.mask) == 0)
    return uint32_t(2 * place + (bits >> 63));
  return uint32_t(2 * window.size) + uint32_t(magnitude == 0) +
         2 * uint32_t(int64_t(magnitude) >= kInfinity);
}

// The upper or the lower halves of 64-bit elements of x and y. Within each 16 bytes of the result
// stand those of x, then those of y: a processor has no instruction for another order.
template <int kUpper, class V>
inline Full<uint32_t> halves(V x, V y) {
  constexpr int kAll = kVectorBytes / 4;
  return [&]<int... kAt>(std::integer_sequence<int, kAt...>) {
    return (Full<uint32_t>)__builtin_shufflevector(
        (Full<float>)x, (Full<float>)y,
        (kAt / 4 * 4 + kAt % 2 * 2 + kUpper + kAt % 4 / 2 * kAll)...);
  }(std::make_integer_sequence<int, kAll>());
}

// Results for such halves, in the order of the elements: all of x, then all of y.
inline Full<uint32_t> in_order(Full<uint32_t> x) {
  constexpr int kAll = kVectorBytes / 8;
  return [&]<int... kAt>(std::integer_sequence<int, kAt...>) {
    return (Full<uint32_t>)__builtin_shufflevector((Full<uint64_t>)x, (Full<uint64_t>)x,
                                                   (kAt * 2 % kAll + kAt * 2 / kAll)...);
  }(std::make_integer_sequence<int, kAll>());
}

// A 32-bit shift by 32 would be undefined; this is for `high`, of a shift of 0 to 31.
inline Full<uint32_t> shift_pair(Full<uint32_t> high, Full<uint32_t> low, int shift) {
  return high << 1 << (31 - shift) | low >> shift;
}

// Without branches, on the halves of the values, twice as many of which fit into a register.
// kUpper: the shift is 32 at least, so that a place follows from the upper half alone.
template <bool kUpper, bool kMasked>
void find_indices(const double* values, int64_t count, const BinWindow& window, uint32_t* indices) {
  using U = Full<uint32_t>;
  using I = Full<int32_t>;
  using W = Full<uint64_t>;
  constexpr int kLanes = kVectorBytes / 4;
  const int shift = window.shift & 31;
  const U size = splat<U>(uint32_t(window.size)), base = splat<U>(uint32_t(window.base));
  const W start = splat<W>(window.base << window.shift);
  const U mask_high = splat<U>(uint32_t(window.mask >> 32)),
          mask_low = splat<U>(uint32_t(window.mask));
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const W x = load<W>(values + i), y = load<W>(values + i + kLanes / 2);
    const U high = halves<1>(x, y), low = halves<0>(x, y), magnitude = high & 0x7fffffffu;
    U place;
    if constexpr (kUpper) {
      place = (magnitude >> shift) - base;
    } else {
      const W from_x = (x & ~kSignBit) - start, from_y = (y & ~kSignBit) - start;
      const U above = halves<1>(from_x, from_y);
      place = shift_pair(above, halves<0>(from_x, from_y), shift) | (U)((above >> shift) != 0);
    }
    const U is_zero = (U)((magnitude | low) == 0), is_infinite = (U)((I)magnitude >= 0x7ff00000);
    U inside = (U)(place < size) & ~is_zero;
    if constexpr (kMasked) inside &= (U)(((magnitude & mask_high) | (low & mask_low)) == 0);
    // All bits of a true comparison are set: it is -1.
    const U outside = size + size - is_zero - is_infinite - is_infinite;
    store(indices + i, in_order((inside & (place + place + (high >> 31))) | (~inside & outside)));
  }
  const int rest = int(count - i);
  for (int j = 0; j < rest; ++j) indices[i + j] = find_index(values[i + j], window);
}

void find_places(const double* values, int64_t count, const BinWindow& window, uint32_t* indices) {
  if (window.shift >= 32) {
    window.mask ? find_indices<true, true>(values, count, window, indices)
                : find_indices<true, false>(values, count, window, indices);
  } else {
    window.mask ? find_indices<false, true>(values, count, window, indices)
                : find_indices<false, false>(values, count, window, indices);
  }
}

// The slot of a key, whose halves are multiplied by odd numbers (Knuth's multiplicative hashing).
template <class U>
U slot_of(U high, U low, int bits) {
  return (high * 0x9e3779b1u + low * 0x85ebca77u) >> (32 - bits);
}

void find_slots(const double* values, int64_t count, const SlotKeys& slots, uint64_t* keys,
                uint32_t* indices) {
  using W = Full<uint64_t>;
  constexpr int kLanes = kVectorBytes / 4;
  const auto key_of = [&](auto x, auto is_missing) { return (x & slots.kept) | is_missing; };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    W key[2];
    for (int half = 0; half < 2; ++half) {
      // + 0.0: no -0.0
      const W x = (W)(load<Full<double>>(values + i + half * kLanes / 2) + 0.0);
      key[half] = key_of(x, (W)((Full<int64_t>)(x & ~kSignBit) >= kInfinity));
      store(keys + i + half * kLanes / 2, key[half]);
    }
    const auto high = halves<1>(key[0], key[1]), low = halves<0>(key[0], key[1]);
    store(indices + i, in_order(slot_of(high, low, slots.bits)));
  }
  const int rest = int(count - i);
  for (int j = 0; j < rest; ++j) {
    const uint64_t x = std::bit_cast<uint64_t>(values[i + j] + 0.0);
    const uint64_t key = key_of(x, -uint64_t(int64_t(x & ~kSignBit) >= kInfinity));
    keys[i + j] = key;
    indices[i + j] = slot_of(uint32_t(key >> 32), uint32_t(key), slots.bits);
  }
}

}  // namespace
}  // namespace evenly
