// Windows of exponents: which values each one holds, and the units in which it counts. For the
// proof see docs/exact-arithmetic.md, "The window".
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/tile.h"

namespace evenly {

// The exponent of a part's unit, for a window that ends at `top`.
template <class C>
int unit_exponent(int part, int top) {
  return kPartUnits<C>[part].tops * top - kPartUnits<C>[part].below;
}

// The lowest window that holds |x| <= largest. Values stay below 2^(top+1) by 2^-20 of it, so that
// 256 roundings cannot move a biased sum out of its binade.
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
// Values with 2 * bits(|x|) - 1 below this limit are below the window.
template <class C>
typename Window<C>::Bits smallest_of(int top) {
  constexpr int kFraction = Window<C>::kMantissa - 1;
  constexpr int kBias = std::numeric_limits<C>::max_exponent - 1;
  int field = top - Window<C>::kBinades + 1 + kBias;
  // For fields up to 1, subnormals are inside: they have the same last place.
  return field <= 1 ? 0 : (typename Window<C>::Bits(field) << (kFraction + 1)) - 1;
}

// The top for these values, with one binade of headroom if that window still holds the smallest
// value: in most columns the largest value is yet to come.
template <class C>
int top_with_headroom(C largest, typename Window<C>::Bits smallest) {
  int top = top_for<C>(largest);
  bool has_headroom = top < Window<C>::kHighestTop && smallest >= smallest_of<C>(top + 1);
  return has_headroom ? top + 1 : top;
}

template <class C>
void set_window(FloatLanes<C>& lanes, int lane, int top) {
  lanes.largest[lane] = largest_of<C>(top);
  lanes.smallest[lane] = smallest_of<C>(top);
  lanes.two_to_top[lane] = power_of_two(top);
}

// Sets the same window for all lanes, which is 32 times cheaper than setting each.
template <class C>
void set_windows(FloatLanes<C>& lanes, int top) {
  set_window(lanes, 0, top);
  std::fill_n(lanes.largest, kLanes<C>, lanes.largest[0]);
  std::fill_n(lanes.smallest, kLanes<C>, lanes.smallest[0]);
  std::fill_n(lanes.two_to_top, kLanes<C>, lanes.two_to_top[0]);
}

}  // namespace evenly
