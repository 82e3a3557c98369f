// Windows of exponents: which values each holds, and the units in which it counts. README.md,
// "The window", has the proof.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "tile.h"

namespace evenly {

// The exponents of the units in which a window ending at `top` counts each part, and of
// the biases that make those units. Derived in README.md, "The window".
template <class C>
int unit_exponent(int part, int top) {
  if constexpr (std::is_same_v<C, float>) {
    switch (part) {
      case kSumHigh:
        return top - 44;
      case kSquareHigh:
        return 2 * top - 42;
      default:
        return 2 * top - 88;
    }
  } else {
    switch (part) {
      case kSumHigh:
        return top - 42;
      case kSumLow:
        return top - 70;
      case kSquareHigh:
        return 2 * top - 42;
      case kSquareLow:
        return 2 * top - 88;
      case kErrorHigh:
        return 2 * top - 94;
      default:
        return 2 * top - 140;
    }
  }
}

// 2^exponent, for the exponents of normal numbers.
inline double power_of_two(int exponent) {
  return std::bit_cast<double>(uint64_t(exponent + 1023) << 52);
}

// The lowest window that holds |x| <= largest: values stay clear of 2^(top+1) by 2^-20 of
// it, so that 256 roundings cannot carry a biased sum over its binade.
template <class C>
C largest_of(int top) {
  return C((2 - 0x1p-19) * power_of_two(top));
}
template <class C>
int top_for(C largest) {
  int top = std::ilogb(largest);
  if (largest > largest_of<C>(top)) ++top;
  return std::clamp(top, Window<C>::kLowestTop, Window<C>::kHighestTop);
}
// Values with 2 * bits(|x|) - 1 below this lie under the window.
template <class C>
typename Window<C>::Bits smallest_of(int top) {
  constexpr int kFraction = Window<C>::kMantissa - 1;
  constexpr int kBias = std::numeric_limits<C>::max_exponent - 1;
  int field = top - Window<C>::kBinades + 1 + kBias;
  // At field 1 and below, subnormals are inside: they have the same last place.
  return field <= 1 ? 0 : (typename Window<C>::Bits(field) << (kFraction + 1)) - 1;
}

template <class C>
void set_window(FloatLanes<C>& lanes, int lane, int top) {
  lanes.largest[lane] = largest_of<C>(top);
  lanes.smallest[lane] = smallest_of<C>(top);
  for (int part = 0; part < kParts<C>; ++part) {
    lanes.per_unit[part][lane] = power_of_two(-unit_exponent<C>(part, top));
  }
  // A bias of 2^52 units (1.5 times that where the addends have either sign) fixes the unit.
  lanes.bias[kSquareHigh][lane] = power_of_two(unit_exponent<C>(kSquareHigh, top) + 52);
  if constexpr (std::is_same_v<C, double>) {
    lanes.bias[kSumHigh][lane] = 1.5 * power_of_two(unit_exponent<C>(kSumHigh, top) + 52);
    lanes.bias[kErrorHigh][lane] = 1.5 * power_of_two(unit_exponent<C>(kErrorHigh, top) + 52);
  }
}

// The same window for all lanes: set once, that is 32 times cheaper.
template <class C>
void set_windows(FloatLanes<C>& lanes, int top) {
  set_window(lanes, 0, top);
  std::fill_n(lanes.largest, kLanes<C>, lanes.largest[0]);
  std::fill_n(lanes.smallest, kLanes<C>, lanes.smallest[0]);
  for (int part = 0; part < kParts<C>; ++part) {
    std::fill_n(lanes.per_unit[part], kLanes<C>, lanes.per_unit[part][0]);
    std::fill_n(lanes.bias[part], kLanes<C>, lanes.bias[part][0]);
  }
}

}  // namespace evenly
