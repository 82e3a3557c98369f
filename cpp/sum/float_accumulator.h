// Accumulates tiles of floating-point values: chooses windows, sums outliers separately, and adds
// the lanes' integers to the exact sums.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "exact/moments.h"
#include "kernels/kernel_table.h"
#include "kernels/tile.h"
#include "sum/infinity_policy.h"
#include "sum/outlier_lane.h"
#include "sum/scalar_sum.h"

namespace evenly {

template <class T>
T quiet_nan() {
  if constexpr (std::is_same_v<T, Float16>) return {0x7e00};
  if constexpr (std::is_same_v<T, BFloat16>) return {0x7fc0};
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::quiet_NaN();
}

// The lanes of one tile's width, for any number of consecutive tiles.
template <class T>
class FloatAccumulator {
 public:
  using C = ComputeType<T>;
  static constexpr int kCount = kLanes<C>;
  // The number of rows of a panel that are summed before the next ones: as many as the hardware
  // prefetcher can follow.
  static constexpr int kNarrowRows = 16, kWideRows = 16;
  static constexpr int64_t kMaxRowBytes = 32 << 10;  // of the part of a row that one task sums
  using Bits = typename Window<C>::Bits;

  // `together`: all lanes belong to one column and may share a window.
  explicit FloatAccumulator(bool together = false) : together_(together) {
    std::memset(static_cast<void*>(&lanes_), 0, sizeof lanes_);
    std::fill_n(lanes_.two_to_top, kCount, 1.0);
    std::fill_n(sums_.missing, kCount, 0);
    std::fill_n(lanes_.min, kCount, kNothing);
    std::fill_n(lanes_.max, kCount, -kNothing);
    std::fill_n(top_, kCount, kUnset);
  }

  // A tile is processed by start(), rows() for one or more portions (at most kTileRows in total),
  // and finish(). column_of(lane) returns the lane's column; only lanes in `valid` count.
  void start(const Kernels& kernels) { start_kernel<C>(kernels)(lanes_, skip_nan_, sums_); }
  template <class ColumnOf>
  void rows(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch,
            LaneMask, ColumnOf&&) {
    rows_kernel<T>(kernels)(data, stride, rows, prefetch, skip_nan_, sums_);
  }
  // Adds the tile's sums; its rows must still be at `data`.
  template <class ColumnOf>
  void finish(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, LaneMask valid,
              ColumnOf&& column_of, InfinityPolicy& infinity) {
    LaneMask failed = finish_kernel<C>(kernels)(sums_, valid, skip_nan_, lanes_);
    failed = sum_outlier_lanes(kernels, data, stride, rows, failed, column_of);
    if (failed && ((together_ && share_window(column_of)) || choose_windows(failed, column_of))) {
      failed = sum_again(kernels, data, stride, rows, failed);
      failed = sum_outlier_lanes(kernels, data, stride, rows, failed, column_of);
    }
    if (failed) sum_split(kernels, data, stride, rows, failed, column_of, infinity);
    if (++tiles_ < kTilesBeforeFlush) return;
    // All lanes that hold sums: those of a second accumulator are not valid in every tile.
    for (int lane = 0; lane < kCount; ++lane) {
      if (top_[lane] != kUnset) flush_parts(lane, column_of(lane));
    }
    tiles_ = 0;
  }

  // Adds the contents of the lanes to their columns.
  template <class ColumnOf>
  void flush(LaneMask valid, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(valid >> lane & 1)) continue;
      Column& column = column_of(lane);
      flush_parts(lane, column);
      flush_extremes(lane, column);
    }
    tiles_ = 0;
    if (other_) other_->flush(valid, column_of);
  }

  // The same if all lanes belong to one column.
  void flush_together(Column& column) {
    for (int part = 0; part < kSumParts<C>; ++part) {
      int128 sum = 0;
      for (int lane = 0; lane < kCount; ++lane) {
        sum += std::exchange(lanes_.parts[part][lane], 0);
        bool last = lane + 1 == kCount || top_[lane + 1] != top_[lane];
        if (!last || top_[lane] == kUnset) continue;
        exact_sum(column, part).add_wide(sum, unit_exponent<C>(part, top_[lane]));
        sum = 0;
      }
    }
    for (int lane = 1; lane < kCount; ++lane) {
      lanes_.missing[0] += std::exchange(lanes_.missing[lane], 0);
      lanes_.min[0] = std::min(lanes_.min[0], std::exchange(lanes_.min[lane], kNothing));
      lanes_.max[0] = std::max(lanes_.max[0], std::exchange(lanes_.max[lane], -kNothing));
    }
    flush_extremes(0, column);
    tiles_ = 0;
    if (other_) other_->flush_together(column);
  }

 private:
  static constexpr int kMaxAccumulators = 4;
  static constexpr int kMaxOutlierLanes = 4;  // with more, the whole tile is summed again
  static constexpr C kNothing = std::numeric_limits<C>::infinity();  // the minimum of no values
  static constexpr int kUnset = std::numeric_limits<int>::min();
  static ExactSum& exact_sum(Column& column, int part) {
    return part == kSumHigh || part == kSumLow ? column.sum : column.squares;
  }

  void flush_parts(int lane, Column& column) {
    if (top_[lane] == kUnset) return;
    for (int part = 0; part < kSumParts<C>; ++part) {
      int64_t units = std::exchange(lanes_.parts[part][lane], 0);
      exact_sum(column, part).add(units, unit_exponent<C>(part, top_[lane]));
    }
  }

  void flush_extremes(int lane, Column& column) {
    column.missing += lanes_.missing[lane];
    column.count -= lanes_.missing[lane];
    lanes_.missing[lane] = 0;
    C min = std::exchange(lanes_.min[lane], kNothing);
    C max = std::exchange(lanes_.max[lane], -kNothing);
    if (min > max) return;
    column.include(extreme_value(min));
    column.include(extreme_value(max));
  }

  template <class ColumnOf>
  void move_window(int lane, int top, ColumnOf&& column_of) {
    if (top == top_[lane]) return;
    flush_parts(lane, column_of(lane));
    set_window(lanes_, lane, top_[lane] = top);
  }

  LaneMask sum_again(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows,
                     LaneMask lanes) {
    start(kernels);
    rows_kernel<T>(kernels)(data, stride, rows, nullptr, skip_nan_, sums_);
    return finish_kernel<C>(kernels)(sums_, lanes, skip_nan_, lanes_);
  }

  // Chooses one window for all lanes, if it holds the tile.
  template <class ColumnOf>
  bool share_window(ColumnOf&& column_of) {
    C largest = 0;
    Bits smallest = ~Bits(0);
    for (int lane = 0; lane < kCount; ++lane) {
      largest = std::max({largest, -sums_.min[lane], sums_.max[lane]});
      smallest = std::min(smallest, sums_.smallest[lane]);
    }
    double sum = std::accumulate(sums_.part[kSumHigh], sums_.part[kSumHigh] + kCount, 0.0);
    if (sum != sum || !(largest > 0 && largest <= std::numeric_limits<C>::max())) return false;
    int top = top_for<C>(largest);
    if (smallest < smallest_of<C>(top)) return false;
    for (int lane = 0; lane < kCount; ++lane) flush_parts(lane, column_of(lane));
    std::fill_n(top_, kCount, top);
    set_windows(lanes_, top);
    return true;
  }

  // Chooses for each failed lane a window for its largest value, if that window also holds its
  // smallest. A lane that no window can hold keeps its window, which may hold most of its values.
  // Returns whether the tile should be summed again: a window has moved, or NaN will be skipped
  // from now on.
  template <class ColumnOf>
  bool choose_windows(LaneMask failed, ColumnOf&& column_of) {
    bool changed = false;
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(failed >> lane & 1)) continue;
      double sum = sums_.part[kSumHigh][lane];
      if (sum != sum && !skip_nan_) skip_nan_ = changed = true;
      C largest = std::max(-sums_.min[lane], sums_.max[lane]);
      if (!(largest > 0 && largest <= std::numeric_limits<C>::max())) continue;
      Bits smallest = sums_.smallest[lane];
      bool held = largest <= lanes_.largest[lane] && smallest >= lanes_.smallest[lane];
      if (held) continue;  // the lane failed because of a NaN only
      int top = top_with_headroom<C>(largest, smallest);
      if (smallest < smallest_of<C>(top) && top_[lane] != kUnset) continue;
      changed |= top != top_[lane];
      move_window(lane, top, column_of);
    }
    return changed;
  }

  // Sums failed lanes one by one if there are few of them; returns the lanes that remain. Even of
  // normally distributed data, a window misses some values near 0: one in 80,000, so that every
  // twentieth tile of float64 has such a lane.
  template <class ColumnOf>
  LaneMask sum_outlier_lanes(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows,
                             LaneMask failed, ColumnOf&& column_of) {
    LaneMask rest = failed;
    for (int taken = 0; rest && taken < kMaxOutlierLanes; ++taken, rest &= rest - 1) {
    }
    if (rest) return failed;
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(failed >> lane & 1)) continue;
      if (sum_lane(kernels, data + lane, stride, rows, lane, column_of)) {
        failed &= ~(LaneMask(1) << lane);
      }
    }
    return failed;
  }

  // Sums a single lane: the values inside its window as rows of one column, the few others by the
  // scalar path.
  template <class ColumnOf>
  bool sum_lane(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, int lane,
                ColumnOf&& column_of) {
    C largest = std::max(-sums_.min[lane], sums_.max[lane]);
    double sum = sums_.part[kSumHigh][lane];
    if (top_[lane] == kUnset || sum != sum || !(largest <= std::numeric_limits<C>::max())) {
      return false;
    }
    if (!outlier_lane_) outlier_lane_ = std::make_unique<OutlierLane<T>>();
    int top = largest <= lanes_.largest[lane] ? top_[lane]
                                              : top_with_headroom<C>(largest, sums_.smallest[lane]);
    if (!outlier_lane_->split(data, stride, rows, top)) {
      if (top == top_[lane] || !outlier_lane_->split(data, stride, rows, top_[lane])) return false;
      top = top_[lane];
    }
    move_window(lane, top, column_of);
    outlier_lane_->sum(kernels);
    for (int part = 0; part < kSumParts<C>; ++part) {
      for (int64_t& units : outlier_lane_->lanes.parts[part]) {
        lanes_.parts[part][lane] += std::exchange(units, 0);
      }
    }
    lanes_.min[lane] = std::min(lanes_.min[lane], sums_.min[lane]);
    lanes_.max[lane] = std::max(lanes_.max[lane], sums_.max[lane]);
    for (int i = 0; i < outlier_lane_->num_outside; ++i)
      add_scalar(column_of(lane), double(outlier_lane_->outside[i]));
    lanes_.missing[lane] += int64_t(sums_.missing[lane]);
    return true;
  }

  // Sums values that one window cannot hold: a second accumulator with its own windows sums those
  // outside of the first one's; beyond kMaxAccumulators they are added by the scalar path.
  template <class ColumnOf>
  void sum_split(const Kernels& kernels, const T* data, ptrdiff_t stride, int rows, LaneMask failed,
                 ColumnOf&& column_of, InfinityPolicy& infinity) {
    if (!split_) split_ = std::make_unique<Split>();
    split(data, stride, rows);
    skip_nan_ = true;
    sum_again(kernels, split_->inside, kCount, rows, failed);
    LaneMask left = 0;
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(failed >> lane & 1)) continue;
      infinity.seen |= split_->infinite[lane] != 0;
      lanes_.missing[lane] -= split_->outside[lane];
      if (split_->outside[lane]) left |= LaneMask(1) << lane;
    }
    if (!left) return;
    if (depth_ + 1 == kMaxAccumulators) return add_outside(rows, left, column_of);
    if (!other_) {
      other_ = std::make_unique<FloatAccumulator>(together_);
      other_->depth_ = depth_ + 1;
      other_->skip_nan_ = true;
    }
    other_->start(kernels);
    other_->rows(kernels, split_->rest, kCount, rows, nullptr, left, column_of);
    other_->finish(kernels, split_->rest, kCount, rows, left, column_of, infinity);
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(left >> lane & 1)) continue;
      other_->lanes_.missing[lane] -= rows - split_->outside[lane];
      // The accumulator whose window holds more values comes first.
      bool better = int(split_->outside[lane]) > rows / 2 && other_->top_[lane] != kUnset;
      if (better) move_window(lane, other_->top_[lane], column_of);
    }
  }

  // A tile split in two: the values inside each lane's window, and the rest. NaN replaces the
  // values of the other part.
  struct Split {
    T inside[kTileRows * kCount];
    T rest[kTileRows * kCount];
    Bits outside[kCount];   // the number of values in `rest`
    Bits infinite[kCount];  // the number of values in neither
  };
  void split(const T* data, ptrdiff_t stride, int rows) {
    std::fill_n(split_->outside, kCount, 0);
    std::fill_n(split_->infinite, kCount, 0);
    for (int r = 0; r < rows; ++r) {
      const T* row = data + r * stride;
      T *inside = split_->inside + r * kCount, *rest = split_->rest + r * kCount;
      for (int lane = 0; lane < kCount; ++lane) {
        C x = C(to_number(row[lane]));
        C magnitude = std::abs(x);
        Bits bits = std::bit_cast<Bits>(x);
        bool infinite = magnitude > std::numeric_limits<C>::max();
        bool in =
            magnitude <= lanes_.largest[lane] && Bits(bits + bits - 1) >= lanes_.smallest[lane];
        bool out = !in && magnitude <= std::numeric_limits<C>::max();
        inside[lane] = in ? row[lane] : quiet_nan<T>();
        rest[lane] = out ? row[lane] : quiet_nan<T>();
        split_->outside[lane] += out;
        split_->infinite[lane] += infinite;
      }
    }
  }

  template <class ColumnOf>
  void add_outside(int rows, LaneMask lanes, ColumnOf&& column_of) {
    for (int lane = 0; lane < kCount; ++lane) {
      if (!(lanes >> lane & 1)) continue;
      Column& column = column_of(lane);
      for (int r = 0; r < rows; ++r) {
        double x = double(to_number(split_->rest[r * kCount + lane]));
        if (x == x) add_scalar(column, x);
      }
    }
  }

  FloatLanes<C> lanes_;
  FloatSums<C> sums_;
  int top_[kCount];
  int tiles_ = 0;
  bool together_;
  bool skip_nan_ = false;
  int depth_ = 0;  // of the chain of accumulators
  std::unique_ptr<OutlierLane<T>> outlier_lane_;
  std::unique_ptr<Split> split_;
  std::unique_ptr<FloatAccumulator> other_;
};

}  // namespace evenly
