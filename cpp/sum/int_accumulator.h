// Accumulates tiles of integers.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>

#include "exact/moments.h"
#include "kernels/kernel_table.h"
#include "kernels/tile.h"
#include "sum/infinity_policy.h"

namespace evenly {

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

// The total of lanes that belong to one column, so that the column is updated once instead of once
// per lane.
template <class T>
struct IntTotal {
  int128 sum = 0, squares = 0;
  T min = std::numeric_limits<T>::max(), max = std::numeric_limits<T>::min();

  void add(const IntLanes<T>& lanes, int lane) {
    sum += lanes.sum[lane];
    squares += int128(lanes.square_low[lane]) + (int128(lanes.square_high[lane]) << 32);
    min = std::min(min, lanes.min[lane]);
    max = std::max(max, lanes.max[lane]);
  }
  void add_to(Column& column) const {
    column.sum.add_wide(sum, 0);
    column.squares.add_wide(squares, 0);
    if (min > max) return;
    column.include(extreme_value_of_integer(min));
    column.include(extreme_value_of_integer(max));
  }
};

// The lanes of one tile's width.
template <class T>
class IntAccumulator {
 public:
  static constexpr int kCount = kLanes<T>;
  // The number of rows of a panel that are summed before the next ones: a whole tile, because each
  // portion is added to 64-bit integers at once, or fewer in wide panels, which the hardware
  // prefetcher can follow.
  static constexpr int kNarrowRows = kTileRows, kWideRows = 32;
  static constexpr int64_t kMaxRowBytes = 16 << 10;  // of the part of a row that one task sums

  explicit IntAccumulator(bool = false) { clear(); }

  // The same three steps as for floating-point tiles; here each portion is added at once.
  void start(const Kernels&) {}
  template <class ColumnOf>
  void rows(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch,
            LaneMask valid, ColumnOf&& column_of) {
    LaneMask failed = int_kernel<T>(kernels)(data, stride, rows, prefetch, lanes_) & valid;
    for (int lane = 0; failed >> lane; ++lane) {
      if (failed >> lane & 1) sum_lane(data + lane, stride, rows, column_of(lane));
    }
  }
  template <class ColumnOf>
  void finish(const Kernels&, const T*, ptrdiff_t, int, LaneMask valid, ColumnOf&& column_of,
              InfinityPolicy&) {
    // The low halves of the squares of 2^24 tiles of 256 rows fill 64 bits.
    if (++tiles_ < 1 << 23) return;
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(valid >> lane & 1)) continue;
      IntTotal<T> total;
      total.add(lanes_, lane);
      total.add_to(column_of(lane));
    }
    clear();
  }

  // Adds the contents of the lanes to the totals of their columns, in order of the lanes.
  template <class TotalOf>
  void flush(LaneMask valid, TotalOf&& total_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (valid >> lane & 1) total_of(lane).add(lanes_, lane);
    }
    clear();
  }

  void flush_together(Column& column) {
    IntTotal<T> total;
    for (int lane = 0; lane < kCount; ++lane) total.add(lanes_, lane);
    total.add_to(column);
    clear();
  }

 private:
  // Sums values of more than 32 bits in 128 bits.
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

}  // namespace evenly
