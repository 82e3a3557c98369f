// A task that sums rows with weights: values are converted to double and, with their weights,
// collected in tiles, whose levels are then added to the columns. What a tile cannot hold is added
// by the scalar path.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/tile.h"
#include "kernels/weighted_kernels.h"
#include "sum/accumulate.h"
#include "sum/exponent_window.h"
#include "sum/infinity_policy.h"
#include "sum/scalar_sum.h"

namespace evenly {

inline constexpr int kMaxWeightedValues = kTileRows * kWeightedLanes;
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The exponent of a level's unit, for values and products below 2^top.
inline int level_unit(int top, int level) { return top - kLevelBits * (level + 1); }

// The range of nonzero magnitudes; of no values, {0, infinity}.
struct MagnitudeRange {
  double largest = 0, smallest = std::numeric_limits<double>::infinity();

  // Whether no product overflows and no rounding error is lost to underflow.
  bool fit_values() const { return largest <= power_of_two(400) && smallest >= power_of_two(-300); }
  bool fit_weights() const {
    return largest <= power_of_two(200) && smallest >= power_of_two(-200);
  }
};

inline MagnitudeRange magnitude_range(const WeightedExtremes& extremes) {
  return {*std::max_element(extremes.largest, extremes.largest + kWeightedLanes),
          *std::min_element(extremes.smallest, extremes.smallest + kWeightedLanes)};
}

// `count` evenly spaced rows, starting at an offset.
struct StridedRows {
  int64_t offset, step, count;
};
// The first rows of an array, up to the end of its innermost axis.
inline StridedRows rows_from(const std::vector<Axis>& axes, int64_t row, int64_t most) {
  if (axes.empty()) return {0, 1, 1};
  const Axis& inner = axes.back();
  return {offset_of(axes, row), inner.stride, std::min(most, inner.extent - row % inner.extent)};
}

// A tile holds the next rows of up to kWeightedLanes columns or, for a run, the values of one
// column, row by row.
template <class T>
class WeightedTask {
 public:
  WeightedTask(const WeightedKernels& kernels, int columns, bool run,
               InfinityPolicy infinity_policy)
      : kernels_(kernels), columns_(columns), run_(run), infinity_(infinity_policy) {}

  // Adds rows [row0, row1) of columns that are `step` elements apart.
  void add_rows(const T* data, const std::vector<Axis>& axes, int64_t step, int64_t row0,
                int64_t row1, const double* weights) {
    int64_t offsets[kTileRows];
    for (int64_t row = row0; row < row1;) {
      const StridedRows rows = rows_from(axes, row, row1 - row);
      for (int64_t i = 0; i < rows.count; ++i, ++row) {
        if (weights[row] == 0) continue;
        offsets[count_] = rows.offset + i * rows.step;
        weights_[count_++] = weights[row];
        if (count_ == kTileRows) sum_rows(data, offsets, step, rows.step);
      }
    }
    sum_rows(data, offsets, step, 0);
  }

  // Adds rows [row0, row1) of one column.
  void add_run(const T* data, const std::vector<Axis>& axes, int64_t row0, int64_t row1,
               const double* weights, const ArrowColumn* validity = nullptr) {
    for (int64_t row = row0; row < row1;) {
      const StridedRows rows =
          rows_from(axes, row, std::min<int64_t>(kMaxWeightedValues - count_, row1 - row));
      std::copy_n(weights + row, rows.count, weights_ + count_);
      for (int64_t i = 0; validity && i < rows.count; ++i) {
        if (!validity->has_value(row + i)) missing_[0].add(std::exchange(weights_[count_ + i], 0));
      }
      widen_run(data + rows.offset, rows.step, rows.count, values_ + count_);
      count_ += int(rows.count);
      row += rows.count;
      if (count_ == kMaxWeightedValues) sum_run(data + rows.offset + rows.count * rows.step);
    }
    sum_run(data);
  }

  // Writes the columns without their counts; returns whether an infinity was encountered that may
  // not be treated as missing.
  bool finish(Column* columns) {
    for (int i = 0; i < columns_; ++i) {
      own_[i].add_missing(missing_[i]);
      columns[i] = std::move(own_[i]);
    }
    return infinity_.seen && !infinity_.missing;
  }

 private:
  // ---- Conversion to double --------------------------------------------------------------

  // An integer that a double cannot hold is added by the scalar path; a NaN takes its place in the
  // tile but does not count as missing.
  double to_double(T element, double weight, int lane) {
    auto x = to_number(element);
    if constexpr (std::is_integral_v<decltype(x)> && sizeof(x) == 8) {
      if (weight != 0 && int128(x) != int128(double(x))) {
        add_weighted_sums(own_[lane], scaled(weight), x);
        own_[lane].include(extreme_value_of_integer(x));
        missing_[lane].add(-weight);
        return kNaN;
      }
    }
    return double(x);
  }

  void widen_rows(const T* data, const int64_t* offsets, int64_t step) {
    if (columns_ < kWeightedLanes) std::fill_n(values_, count_ * kWeightedLanes, 0.0);
    if (step == 1 && widen_kernel())
      return widen_kernel()(data, offsets, count_, columns_, values_);
    for (int row = 0; row < count_; ++row) {
      const T* from = data + offsets[row];
      if (row + kRowsAhead < count_) __builtin_prefetch(data + offsets[row + kRowsAhead]);
      for (int i = 0; i < columns_; ++i)
        values_[row * kWeightedLanes + i] = to_double(from[i * step], weights_[row], i);
    }
  }
  void widen_run(const T* from, int64_t step, int64_t count, double* to) {
    const int64_t offset = 0;
    if (step == 1 && widen_kernel()) return widen_kernel()(from, &offset, 1, count, to);
    for (int64_t i = 0; i < count; ++i)
      to[i] = to_double(from[i * step], weights_[to - values_ + i], 0);
  }
  WidenKernel<T> widen_kernel() const {
    if constexpr (std::is_same_v<T, float>) return kernels_.widen_float32;
    if constexpr (std::is_same_v<T, double>) return kernels_.widen_float64;
    if constexpr (std::is_same_v<T, Float16>) return kernels_.widen_float16;
    if constexpr (std::is_same_v<T, BFloat16>) return kernels_.widen_bfloat16;
    return nullptr;
  }

  // ---- A tile ----------------------------------------------------------------------------

  void sum_rows(const T* data, const int64_t* offsets, int64_t step, int64_t next) {
    if (count_ == 0) return;
    widen_rows(data, offsets, step);
    const T* last = data + offsets[count_ - 1];
    TileSummary summary = summarize(count_);
    sum_tile(count_, summary, prefetch(last + next, next));
    count_ = 0;
  }

  void sum_run(const T* next) {
    if (count_ == 0) return;
    pad_last_row();
    TileSummary summary = summarize(rows_of_run());
    if (!summary.all_valid()) {
      drop_missing();
      pad_last_row();
      summary = summarize(rows_of_run());
    }
    if (count_ > 0) sum_tile(rows_of_run(), summary, prefetch(next, kWeightedLanes));
    count_ = 0;
  }
  int rows_of_run() const { return (count_ + kWeightedLanes - 1) / kWeightedLanes; }
  // Pads the last row with values that add nothing.
  void pad_last_row() {
    std::fill(values_ + count_, values_ + rows_of_run() * kWeightedLanes, kNaN);
    std::fill(weights_ + count_, weights_ + rows_of_run() * kWeightedLanes, weights_[0]);
  }
  static Prefetch prefetch(const T* from, int64_t step) {
    return {reinterpret_cast<const char*>(from), step * int64_t(sizeof(T))};
  }
  void drop_missing() {
    int kept = 0;
    for (int i = 0; i < count_; ++i) {
      const double x = values_[i], weight = weights_[i];
      if (weight == 0 || !is_valid(x, weight, 0)) continue;
      values_[kept] = x;
      weights_[kept++] = weight;
    }
    count_ = kept;
  }
  // Returns whether x is finite; otherwise counts it as missing.
  bool is_valid(double x, double weight, int lane) {
    if (std::isfinite(x)) return true;
    infinity_.seen |= x == x;
    missing_[lane].add(weight);
    return false;
  }

  struct TileSummary {
    WeightedExtremes values;
    uint32_t with_nan;
    MagnitudeRange weights;
    bool all_weigh;

    bool all_valid() const {
      return !with_nan && all_weigh && std::isfinite(magnitude_range(values).largest);
    }
  };
  TileSummary summarize(int rows) {
    TileSummary summary;
    const int count = run_ ? rows * kWeightedLanes : rows,
              whole = (count + kWeightedLanes - 1) / kWeightedLanes;
    std::fill(weights_ + count, weights_ + whole * kWeightedLanes, weights_[0]);
    kernels_.extremes({weights_, nullptr, false, whole, kWeightedLanes}, summary.values);
    summary.weights = magnitude_range(summary.values);
    summary.all_weigh =
        *std::min_element(summary.values.min, summary.values.min + kWeightedLanes) > 0;
    summary.with_nan = kernels_.extremes(
        {values_, nullptr, false, rows, run_ ? kWeightedLanes : columns_}, summary.values);
    return summary;
  }

  void sum_tile(int rows, TileSummary& summary, Prefetch prefetch) {
    const int lanes = run_ ? kWeightedLanes : columns_;
    const MagnitudeRange& weights = summary.weights;
    WeightedExtremes& extremes = summary.values;
    if (run_) {  // lanes of one column share their units
      const MagnitudeRange all = magnitude_range(extremes);
      std::fill_n(extremes.largest, kWeightedLanes, all.largest);
      std::fill_n(extremes.smallest, kWeightedLanes, all.smallest);
    }
    const WeightedTile tile{values_, weights_, !run_, rows, lanes};
    WeightedLevels bias, sums;
    int top[kWeightedLanes], top_of_squares[kWeightedLanes];
    uint32_t failed = 0;
    const int top_of_weights = weights.fit_weights() ? std::ilogb(weights.largest) + 1 : 0;
    for (int lane = 0; lane < kWeightedLanes; ++lane) {
      MagnitudeRange range;
      if (lane < lanes) range = {extremes.largest[lane], extremes.smallest[lane]};
      const bool fits = weights.fit_weights() && range.fit_values();
      if (!fits) failed |= uint32_t(1) << lane;
      const int own = fits && range.largest > 0 ? std::ilogb(range.largest) + 1 : 0;
      top[lane] = top_of_weights + own;
      top_of_squares[lane] = top[lane] + own;
      for (int i = 0; i < kSumLevels; ++i)
        bias.sum[i][lane] = 1.5 * power_of_two(level_unit(top[lane], i) + 52);
      for (int i = 0; i < kSquareLevels; ++i)
        bias.squares[i][lane] = 1.5 * power_of_two(level_unit(top_of_squares[lane], i) + 52);
    }
    constexpr bool kShort = sizeof(T) <= 2 || std::is_same_v<T, float>;
    failed |= (kShort ? kernels_.sums_of_short : kernels_.sums)(tile, prefetch, bias, sums);
    if (run_) add_levels(own_[0], sums, 0, kWeightedLanes, top[0], top_of_squares[0], failed);
    for (int lane = 0; lane < lanes; ++lane) {
      Column& column = own_[run_ ? 0 : lane];
      if (failed >> lane & 1) {
        add_one_by_one(column, lane, rows);
        continue;
      }
      if (!run_) {
        add_levels(column, sums, lane, 1, top[lane], top_of_squares[lane], failed);
        if (summary.with_nan >> lane & 1) add_missing_of(lane, rows);
      }
      if (extremes.min[lane] > extremes.max[lane]) continue;
      column.include(extreme_value(extremes.min[lane]));
      column.include(extreme_value(extremes.max[lane]));
    }
  }

  // Adds lanes [first, first + count), which share their units, without the failed ones.
  static void add_levels(Column& column, const WeightedLevels& levels, int first, int count,
                         int top, int top_of_squares, uint32_t failed) {
    auto add = [&](ExactSum& to, const double* level, int unit) {
      const double per_unit = power_of_two(-unit);
      int64_t units = 0;
      for (int lane = first; lane < first + count; ++lane) {
        if (!(failed >> lane & 1)) units += int64_t(level[lane] * per_unit);
      }
      if (units != 0) to.add(units, unit);
    };
    for (int i = 0; i < kSumLevels; ++i) add(column.sum, levels.sum[i], level_unit(top, i));
    for (int i = 0; i < kSquareLevels; ++i)
      add(column.squares, levels.squares[i], level_unit(top_of_squares, i));
  }

  void add_missing_of(int lane, int rows) {
    for (int row = 0; row < rows; ++row) {
      if (std::isnan(values_[row * kWeightedLanes + lane])) missing_[lane].add(weights_[row]);
    }
  }
  void add_one_by_one(Column& column, int lane, int rows) {
    for (int row = 0; row < rows; ++row) {
      const int at = row * kWeightedLanes + lane;
      if (run_ && at >= count_) return;
      const double x = values_[at], weight = weights_[run_ ? at : row];
      if (!is_valid(x, weight, lane)) continue;
      add_weighted_sums(column, scaled(weight), x);
      column.include(extreme_value(x));
    }
  }

  const WeightedKernels& kernels_;
  const int columns_;
  const bool run_;
  InfinityPolicy infinity_;
  int count_ = 0;  // rows in the tile, or values of the run
  Column own_[kWeightedLanes];
  ExactSum missing_[kWeightedLanes];
  alignas(64) double values_[kMaxWeightedValues];
  alignas(64) double weights_[kMaxWeightedValues];
};

}  // namespace evenly
