// The loop is written once; each file that includes this compiles it for its instruction set.
#pragma once

#include <bit>

#include "distribution/ordered_bits.h"
#include "distribution/window.h"

namespace evenly {
namespace {

constexpr int64_t kInfinity = int64_t(0x7ff) << 52;

// Without branches, and with signed comparisons, which all vector instruction sets have: a place
// plus 2^63 is less than the size plus 2^63 exactly if it is neither below nor above the window.
template <bool kMasked>
void find_indices(const double* values, int64_t count, const BinWindow& window, uint32_t* indices) {
  const int shift = window.shift;
  const uint64_t mask = window.mask, base = window.base ^ kSignBit;
  const int64_t end = int64_t(window.size ^ kSignBit), other = 2 * int64_t(window.size);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = std::bit_cast<uint64_t>(values[i] + 0.0);  // + 0.0: no -0.0
    const uint64_t magnitude = bits & ~kSignBit;
    const uint64_t place = (magnitude >> shift) - base;
    bool inside = int64_t(place) < end;
    if (kMasked) inside &= (magnitude & mask) == 0;
    const int64_t outside =
        other + int64_t(magnitude == 0) + 2 * int64_t(int64_t(magnitude) >= kInfinity);
    indices[i] = uint32_t(inside ? int64_t(2 * place + (bits >> 63)) : outside);
  }
}

void find_all_indices(const double* values, int64_t count, const BinWindow& window,
                      uint32_t* indices) {
  window.mask ? find_indices<true>(values, count, window, indices)
              : find_indices<false>(values, count, window, indices);
}

}  // namespace
}  // namespace evenly
