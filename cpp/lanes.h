// From the kernels' lanes to columns: chooses windows, takes out what lies outside of
// them, and carries the lanes' integers over into the exact sums.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "moments.h"
#include "plain.h"
#include "tile.h"

namespace evenly {

// Told when a lane meets an infinity; true means: count it as missing.
struct InfinityRule {
  bool missing = false;
  bool seen = false;
};

template <class T>
FloatKernel<T> float_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.float32;
  if constexpr (std::is_same_v<T, double>) return kernels.float64;
  if constexpr (std::is_same_v<T, Half>) return kernels.float16;
  if constexpr (std::is_same_v<T, Brain>) return kernels.bfloat16;
}
template <class T>
IntKernel<T> int_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, int8_t>) return kernels.int8;
  if constexpr (std::is_same_v<T, uint8_t>) return kernels.uint8;
  if constexpr (std::is_same_v<T, int16_t>) return kernels.int16;
  if constexpr (std::is_same_v<T, uint16_t>) return kernels.uint16;
  if constexpr (std::is_same_v<T, int32_t>) return kernels.int32;
  if constexpr (std::is_same_v<T, uint32_t>) return kernels.uint32;
  if constexpr (std::is_same_v<T, int64_t>) return kernels.int64;
  if constexpr (std::is_same_v<T, uint64_t>) return kernels.uint64;
}

template <class T>
T quiet_nan() {
  if constexpr (std::is_same_v<T, Half>) return {0x7e00};
  if constexpr (std::is_same_v<T, Brain>) return {0x7fc0};
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::quiet_NaN();
}

// The exponents of the units in which a window ending at `top` counts each part, and of
// the biases that make those units. Derived in README.md, "The window".
template <class C>
int unit_exponent(Part part, int top) {
  if constexpr (std::is_same_v<C, float>) {
    switch (part) {
      case kSumHigh: return top - 44;
      case kSquareHigh: return 2 * top - 42;
      default: return 2 * top - 88;
    }
  } else {
    switch (part) {
      case kSumHigh: return top - 42;
      case kSumLow: return top - 70;
      case kSquareHigh: return 2 * top - 42;
      case kSquareLow: return 2 * top - 88;
      case kErrorHigh: return 2 * top - 94;
      default: return 2 * top - 140;
    }
  }
}

// One tile's width of floating-point lanes, over any number of tiles below each other.
template <class T>
class FloatStrip {
 public:
  using C = Computed<T>;
  static constexpr int kCount = kLanes<C>;
  using Bits = typename Window<C>::Bits;

  FloatStrip() {
    std::memset(static_cast<void*>(&lanes_), 0, sizeof lanes_);
    std::fill_n(lanes_.min, kCount, std::numeric_limits<C>::infinity());
    std::fill_n(lanes_.max, kCount, -std::numeric_limits<C>::infinity());
    std::fill_n(top_, kCount, kUnset);
  }

  // column_of(lane) names the lane's column; only lanes in `valid` count.
  template <class ColumnOf>
  void sum(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, ptrdiff_t ahead,
           LaneMask valid, ColumnOf&& column_of, InfinityRule& infinity) {
    FloatKernel<T> kernel = float_kernel<T>(kernels);
    FloatSeen<C> seen;
    LaneMask failed = kernel(data, stride, rows, ahead, skip_nan_, valid, lanes_, seen);
    if (failed) {
      choose_windows(failed, seen, column_of);
      failed = kernel(data, stride, rows, ahead, skip_nan_, failed, lanes_, seen);
    }
    if (failed) sum_patched(kernel, data, stride, rows, failed, column_of, infinity);
    if (++tiles_ == kTilesBeforeFlush) {
      for (int lane = 0; lane < kCount; ++lane) {
        if (valid >> lane & 1) flush_parts(lane, column_of(lane));
      }
      tiles_ = 0;
    }
  }

  // Adds all that the lanes hold to their columns.
  template <class ColumnOf>
  void flush(LaneMask valid, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(valid >> lane & 1)) continue;
      Column& column = column_of(lane);
      flush_parts(lane, column);
      flush_extremes(lane, column);
    }
    tiles_ = 0;
  }

  // The same when all lanes belong to one column and are all in use.
  void flush_together(Column& column) {
    for (Part part : kAllParts<C>) {
      int128 sum = 0;
      for (int lane = 0; lane < kCount; ++lane) {
        sum += std::exchange(lanes_.parts[part][lane], 0);
        bool last = lane + 1 == kCount || top_[lane + 1] != top_[lane];
        if (!last || top_[lane] == kUnset) continue;
        exact_sum(column, part).add_wide(sum, unit_exponent<C>(part, top_[lane]));
        sum = 0;
      }
    }
    for (int lane = 0; lane < kCount; ++lane) flush_extremes(lane, column);
    tiles_ = 0;
  }

 private:
  static constexpr int kUnset = std::numeric_limits<int>::min();
  template <class>
  static constexpr Part kAllParts[] = {kSumHigh,    kSumLow,    kSquareHigh,
                                       kSquareLow, kErrorHigh, kErrorLow};

  static Exact& exact_sum(Column& column, Part part) {
    return part <= kSumLow ? column.sum : column.squares;
  }

  void flush_parts(int lane, Column& column) {
    if (top_[lane] == kUnset) return;
    for (Part part : kAllParts<C>) {
      int64_t units = std::exchange(lanes_.parts[part][lane], 0);
      exact_sum(column, part).add(units, unit_exponent<C>(part, top_[lane]));
    }
  }

  void flush_extremes(int lane, Column& column) {
    column.missing += lanes_.missing[lane];
    column.count -= lanes_.missing[lane];
    lanes_.missing[lane] = 0;
    C min = std::exchange(lanes_.min[lane], std::numeric_limits<C>::infinity());
    C max = std::exchange(lanes_.max[lane], -std::numeric_limits<C>::infinity());
    if (min > max) return;
    column.include(value_of(min));
    column.include(value_of(max));
  }

  // The lowest window that holds |x| <= largest: values stay clear of 2^(top+1) by 2^-20 of
  // it, so that 256 roundings cannot carry a biased sum over its binade.
  static C largest_of(int top) {
    return C(std::ldexp(1.0 - std::ldexp(1.0, -20), top + 1));
  }
  static int top_for(C largest) {
    int top = std::ilogb(largest);
    if (largest > largest_of(top)) ++top;
    return std::clamp(top, Window<C>::kLowestTop, Window<C>::kHighestTop);
  }
  // Values with 2 * bits(|x|) - 1 below this lie under the window.
  static Bits smallest_of(int top) {
    constexpr int kFraction = Window<C>::kMantissa - 1;
    constexpr int kBias = std::numeric_limits<C>::max_exponent - 1;
    int field = top - Window<C>::kBinades + 1 + kBias;
    // At field 1 and below, subnormals are inside: they have the same last place.
    return field <= 1 ? 0 : (Bits(field) << (kFraction + 1)) - 1;
  }

  void set_window(int lane, int top) {
    top_[lane] = top;
    lanes_.largest[lane] = largest_of(top);
    lanes_.smallest[lane] = smallest_of(top);
    for (Part part : kAllParts<C>) {
      lanes_.per_unit[part][lane] = std::ldexp(1.0, -unit_exponent<C>(part, top));
    }
    // A bias of 2^52 units (1.5 times that where the addends have either sign) fixes the unit.
    lanes_.bias[0][lane] = std::ldexp(1.5, unit_exponent<C>(kSumHigh, top) + 52);
    lanes_.bias[1][lane] = std::ldexp(1.0, unit_exponent<C>(kSquareHigh, top) + 52);
    lanes_.bias[2][lane] = std::ldexp(1.5, unit_exponent<C>(kErrorHigh, top) + 52);
  }

  template <class ColumnOf>
  void move_window(int lane, int top, ColumnOf&& column_of) {
    if (top == top_[lane]) return;
    flush_parts(lane, column_of(lane));
    set_window(lane, top);
  }

  // For each failed lane the window of the largest value, if that one holds the smallest too.
  // A lane that no window can hold keeps the one it has: it may hold most.
  template <class ColumnOf>
  void choose_windows(LaneMask failed, const FloatSeen<C>& seen, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(failed >> lane & 1)) continue;
      skip_nan_ |= seen.sum[lane] != seen.sum[lane];
      C largest = std::max(-seen.min[lane], seen.max[lane]);
      if (!(largest > 0 && largest <= std::numeric_limits<C>::max())) continue;
      bool held = largest <= lanes_.largest[lane] && seen.smallest[lane] >= lanes_.smallest[lane];
      if (held) continue;  // only a NaN was in the way
      int top = top_for(largest);
      if (seen.smallest[lane] >= smallest_of(top) || top_[lane] == kUnset) {
        move_window(lane, top, column_of);
      }
    }
  }

  // Takes what is not in its lane's window out of a copy of the tile, adds it plainly, and
  // sums the rest.
  template <class ColumnOf>
  void sum_patched(FloatKernel<T> kernel, const T* data, ptrdiff_t stride, int rows, LaneMask failed,
                   ColumnOf&& column_of, InfinityRule& infinity) {
    alignas(64) T copy[kTileRows * kCount];
    for (int r = 0; r < rows; ++r) {
      std::memcpy(copy + r * kCount, data + r * stride, kCount * sizeof(T));
    }
    int next_top[kCount];
    for (int lane = 0; lane < kCount; ++lane) {
      if (failed >> lane & 1) next_top[lane] = take_out(copy, rows, lane, column_of(lane), infinity);
    }
    FloatSeen<C> seen;
    kernel(copy, kCount, rows, 0, true, failed, lanes_, seen);
    for (int lane = 0; lane < kCount; ++lane) {
      if (failed >> lane & 1) move_window(lane, next_top[lane], column_of);
    }
  }

  // Returns the window to try on the next tile.
  int take_out(T* copy, int rows, int lane, Column& column, InfinityRule& infinity) {
    int outside = 0;
    int exponents[kTileRows];
    for (int r = 0; r < rows; ++r) {
      T& element = copy[r * kCount + lane];
      C x = C(number(element));
      if (x != x || x == 0 || holds(lane, x)) continue;
      element = quiet_nan<T>();  // which counts it as missing
      if (std::abs(x) > std::numeric_limits<C>::max()) {
        infinity.seen = true;
        continue;
      }
      --lanes_.missing[lane];
      exponents[outside++] = std::ilogb(x);
      add_plain(column, double(x));
    }
    return better_top(lane, exponents, outside, rows - outside);
  }

  bool holds(int lane, C x) const {
    Bits bits = std::bit_cast<Bits>(x);
    return std::abs(x) <= lanes_.largest[lane] && Bits(bits + bits - 1) >= lanes_.smallest[lane];
  }

  // The window that holds more of the values outside of the present one than that holds, if
  // there is one.
  int better_top(int lane, int* exponents, int outside, int inside) const {
    if (outside <= inside) return top_[lane];
    std::sort(exponents, exponents + outside);
    int most = inside, top = top_[lane];
    for (int first = 0, last = 0; last < outside; ++last) {
      while (exponents[last] - exponents[first] > Window<C>::kBinades - 2) ++first;
      if (last - first + 1 <= most) continue;
      most = last - first + 1;
      top = std::clamp(exponents[last] + 1, Window<C>::kLowestTop, Window<C>::kHighestTop);
    }
    return top;
  }

  FloatLanes<C> lanes_;
  int top_[kCount];
  int tiles_ = 0;
  bool skip_nan_ = false;
};

// One tile's width of integer lanes.
template <class T>
class IntStrip {
 public:
  static constexpr int kCount = kLanes<T>;

  IntStrip() { clear(); }

  template <class ColumnOf>
  void sum(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, ptrdiff_t ahead,
           LaneMask valid, ColumnOf&& column_of, InfinityRule&) {
    LaneMask failed = int_kernel<T>(kernels)(data, stride, rows, ahead, lanes_) & valid;
    for (int lane = 0; failed >> lane; ++lane) {
      if (failed >> lane & 1) sum_lane(data + lane, stride, rows, column_of(lane));
    }
    // The low halves of 2^24 tiles of 256 squares fill 64 bits.
    if (++tiles_ == 1 << 23) flush(valid, column_of);
  }

  template <class ColumnOf>
  void flush(LaneMask valid, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(valid >> lane & 1)) continue;
      Column& column = column_of(lane);
      column.sum.add(lanes_.sum[lane], 0);
      column.squares.add_wide(int128(lanes_.square_low[lane]), 0);
      column.squares.add_wide(int128(lanes_.square_high[lane]), 32);
      include(lanes_.min[lane], lanes_.max[lane], column);
    }
    clear();
  }

  void flush_together(Column& column) {
    int128 sum = 0, low = 0, high = 0;
    T min = lanes_.min[0], max = lanes_.max[0];
    for (int lane = 0; lane < kCount; ++lane) {
      sum += lanes_.sum[lane];
      low += lanes_.square_low[lane];
      high += lanes_.square_high[lane];
      min = std::min(min, lanes_.min[lane]);
      max = std::max(max, lanes_.max[lane]);
    }
    column.sum.add_wide(sum, 0);
    column.squares.add_wide(low, 0);
    column.squares.add_wide(high, 32);
    include(min, max, column);
    clear();
  }

 private:
  static void include(T min, T max, Column& column) {
    if (min > max) return;
    column.include(value_of_integer(min));
    column.include(value_of_integer(max));
  }

  // Values of more than 32 bits, in 128.
  static void sum_lane(const T* data, ptrdiff_t stride, int rows, Column& column) {
    int128 sum = 0, low = 0, high = 0;
    for (int r = 0; r < rows; ++r) {
      int128 x = data[r * stride];
      sum += x;
      unsigned __int128 magnitude = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
      unsigned __int128 square = magnitude * magnitude;
      low += uint64_t(square);
      high += uint64_t(square >> 64);
    }
    column.sum.add_wide(sum, 0);
    column.squares.add_wide(low, 0);
    column.squares.add_wide(high, 64);
  }

  void clear() {
    std::memset(static_cast<void*>(&lanes_), 0, sizeof lanes_);
    std::fill_n(lanes_.min, kCount, std::numeric_limits<T>::max());
    std::fill_n(lanes_.max, kCount, std::numeric_limits<T>::min());
    tiles_ = 0;
  }

  IntLanes<T> lanes_;
  int tiles_ = 0;
};

// Bool counts as the byte that it is.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, Bool>, uint8_t, T>;
template <class T>
using Strip = std::conditional_t<kIsFloating<T>, FloatStrip<T>, IntStrip<Stored<T>>>;

}  // namespace evenly
