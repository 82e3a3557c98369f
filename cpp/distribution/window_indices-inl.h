// The loop is written once; each file that includes this compiles it for its instruction set.
#pragma once

#include <bit>

#include "distribution/ordered_bits.h"
#include "distribution/window.h"

namespace evenly {
namespace {

constexpr int64_t kInfinity = int64_t(0x7ff) << 52;

// Without branches, and with signed comparisons, which all vector instruction sets have.
template <bool kMasked>
void find_indices(const double* values, int64_t count, const BinWindow& window, uint32_t* indices) {
  const int shift = window.shift;
  const int64_t mask = int64_t(window.mask);
  const int64_t base = int64_t(window.base), size = int64_t(window.size);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = std::bit_cast<uint64_t>(values[i] + 0.0);  // + 0.0: no -0.0
    const int64_t magnitude = int64_t(bits & ~kSignBit);
    const int64_t place = int64_t(uint64_t(magnitude) >> shift) - base;
    bool outside = (place < 0) | (place >= size);
    if (kMasked) outside |= (magnitude & mask) != 0;
    const int64_t other = 2 * size + int64_t(magnitude == 0) + 2 * int64_t(magnitude >= kInfinity);
    indices[i] = uint32_t(outside ? other : 2 * place + int64_t(bits >> 63));
  }
}

void find_all_indices(const double* values, int64_t count, const BinWindow& window,
                      uint32_t* indices) {
  window.mask ? find_indices<true>(values, count, window, indices)
              : find_indices<false>(values, count, window, indices);
}

}  // namespace
}  // namespace evenly
