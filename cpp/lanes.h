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
RowsKernel<T> rows_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.float32;
  if constexpr (std::is_same_v<T, double>) return kernels.float64;
  if constexpr (std::is_same_v<T, Half>) return kernels.float16;
  if constexpr (std::is_same_v<T, Brain>) return kernels.bfloat16;
}
template <class C>
StartKernel<C> start_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<C, float>) return kernels.start_float32;
  if constexpr (std::is_same_v<C, double>) return kernels.start_float64;
}
template <class C>
FinishKernel<C> finish_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<C, float>) return kernels.finish_float32;
  if constexpr (std::is_same_v<C, double>) return kernels.finish_float64;
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
int unit_exponent(int part, int top) {
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

// 2^exponent, for the exponents of normal numbers.
inline double power_of_two(int exponent) {
  return std::bit_cast<double>(uint64_t(exponent + 1023) << 52);
}

// One tile's width of floating-point lanes, over any number of tiles below each other.
template <class T>
class FloatStrip {
 public:
  using C = Computed<T>;
  static constexpr int kCount = kLanes<C>;
  // Rows of a panel that are read before those below them: they and the sums of as many
  // lanes lie in the L1 cache.
  static constexpr int64_t kPortionBytes = 128 << 10;
  using Bits = typename Window<C>::Bits;

  FloatStrip() {
    std::memset(static_cast<void*>(&lanes_), 0, sizeof lanes_);
    std::fill_n(lanes_.min, kCount, std::numeric_limits<C>::infinity());
    std::fill_n(lanes_.max, kCount, -std::numeric_limits<C>::infinity());
    std::fill_n(top_, kCount, kUnset);
  }

  // A tile: start, its rows in portions (kTileRows or fewer altogether), finish. column_of(lane)
  // names the lane's column; only lanes in `valid` count.
  void start(const Kernels& kernels) { start_kernel<C>(kernels)(lanes_, sums_); }
  template <class ColumnOf>
  void rows(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, Ahead* ahead, LaneMask,
            ColumnOf&&) {
    rows_kernel<T>(kernels)(data, stride, rows, ahead, skip_nan_, sums_);
  }
  // Takes the tile's sums over; its rows still lie at data.
  template <class ColumnOf>
  void finish(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, LaneMask valid,
              ColumnOf&& column_of, InfinityRule& infinity) {
    LaneMask failed = finish_kernel<C>(kernels)(sums_, valid, lanes_);
    if (failed) {
      choose_windows(failed, column_of);
      failed = sum_again(kernels, data, stride, rows, failed);
    }
    if (failed) sum_patched(kernels, data, stride, rows, failed, column_of, infinity);
    if (++tiles_ < kTilesBeforeFlush) return;
    for (int lane = 0; lane < kCount; ++lane) {
      if (valid >> lane & 1) flush_parts(lane, column_of(lane));
    }
    tiles_ = 0;
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
    for (int part = 0; part < kParts<C>; ++part) {
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
  static Exact& exact_sum(Column& column, int part) {
    return part == kSumHigh || part == kSumLow ? column.sum : column.squares;
  }

  void flush_parts(int lane, Column& column) {
    if (top_[lane] == kUnset) return;
    for (int part = 0; part < kParts<C>; ++part) {
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
    return C((2 - 0x1p-19) * power_of_two(top));
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
    for (int part = 0; part < kParts<C>; ++part) {
      lanes_.per_unit[part][lane] = power_of_two(-unit_exponent<C>(part, top));
    }
    // A bias of 2^52 units (1.5 times that where the addends have either sign) fixes the unit.
    lanes_.bias[kSquareHigh][lane] = power_of_two(unit_exponent<C>(kSquareHigh, top) + 52);
    if constexpr (std::is_same_v<C, double>) {
      lanes_.bias[kSumHigh][lane] = 1.5 * power_of_two(unit_exponent<C>(kSumHigh, top) + 52);
      lanes_.bias[kErrorHigh][lane] = 1.5 * power_of_two(unit_exponent<C>(kErrorHigh, top) + 52);
    }
  }

  template <class ColumnOf>
  void move_window(int lane, int top, ColumnOf&& column_of) {
    if (top == top_[lane]) return;
    flush_parts(lane, column_of(lane));
    set_window(lane, top);
  }

  LaneMask sum_again(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows,
                     LaneMask lanes) {
    start(kernels);
    rows_kernel<T>(kernels)(data, stride, rows, nullptr, skip_nan_, sums_);
    return finish_kernel<C>(kernels)(sums_, lanes, lanes_);
  }

  // For each failed lane the window of the largest value, if that one holds the smallest too.
  // A lane that no window can hold keeps the one it has: it may hold most.
  template <class ColumnOf>
  void choose_windows(LaneMask failed, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(failed >> lane & 1)) continue;
      double sum = sums_.part[kSumHigh][lane];
      skip_nan_ |= sum != sum;
      C largest = std::max(-sums_.min[lane], sums_.max[lane]);
      if (!(largest > 0 && largest <= std::numeric_limits<C>::max())) continue;
      Bits smallest = sums_.smallest[lane];
      bool held = largest <= lanes_.largest[lane] && smallest >= lanes_.smallest[lane];
      if (held) continue;  // only a NaN was in the way
      int top = top_for(largest);
      if (smallest >= smallest_of(top) || top_[lane] == kUnset) move_window(lane, top, column_of);
    }
  }

  // Takes what is not in its lane's window out of a copy of the tile, adds it plainly, and
  // sums the rest.
  template <class ColumnOf>
  void sum_patched(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, LaneMask failed,
                   ColumnOf&& column_of, InfinityRule& infinity) {
    alignas(64) T copy[kTileRows * kCount];
    for (int r = 0; r < rows; ++r) {
      std::memcpy(copy + r * kCount, data + r * stride, kCount * sizeof(T));
    }
    int next_top[kCount];
    for (int lane = 0; lane < kCount; ++lane) {
      if (failed >> lane & 1) next_top[lane] = take_out(copy, rows, lane, column_of(lane), infinity);
    }
    skip_nan_ = true;
    sum_again(kernels, copy, kCount, rows, failed);
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
  FloatSums<C> sums_;
  int top_[kCount];
  int tiles_ = 0;
  bool skip_nan_ = false;
};

// One tile's width of integer lanes.
template <class T>
class IntStrip {
 public:
  static constexpr int kCount = kLanes<T>;
  static constexpr int64_t kPortionBytes = 128 << 10;

  IntStrip() { clear(); }

  // The same three steps as for a tile of floats; here each portion is taken over at once.
  void start(const Kernels&) {}
  template <class ColumnOf>
  void rows(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, Ahead* ahead,
            LaneMask valid, ColumnOf&& column_of) {
    LaneMask failed = int_kernel<T>(kernels)(data, stride, rows, ahead, lanes_) & valid;
    for (int lane = 0; failed >> lane; ++lane) {
      if (failed >> lane & 1) sum_lane(data + lane, stride, rows, column_of(lane));
    }
  }
  template <class ColumnOf>
  void finish(const Kernels&, const T*, ptrdiff_t, int, LaneMask valid, ColumnOf&& column_of,
              InfinityRule&) {
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
