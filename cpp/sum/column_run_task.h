// A task that sums a column of contiguous values.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "sum/accumulator_for.h"
#include "sum/column_results.h"
#include "sum/scalar_sum.h"
#include "sum/small_sum.h"

namespace evenly {

// Sums contiguous runs of one column's values.
template <class T>
class ColumnRunTask {
 public:
  ColumnRunTask(SumContext& context, int64_t column) : context_(context), column_(column) {
    infinity_.missing = context.infinity_policy.missing;
  }

  // `next`: the values that will be summed afterwards, if known.
  void sum(const StorageType<T>* data, int64_t count, const StorageType<T>* next = nullptr) {
    const int64_t rows = count / kCount;
    const int portion = context_.kernels.one_sweep ? kTileRows : kFewRows;
    has_tiles_ |= rows > 0;
    auto column_of = [&](int) -> Column& { return own_; };
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const int64_t end = std::min(row + kTileRows, rows);
      accumulator_.start(context_.kernels);
      for (int64_t from = row; from < end; from += portion) {
        const int64_t later = from + (context_.kernels.one_sweep ? kNearRows : portion);
        const StorageType<T>* fetched = next && later >= rows ? next : data + later * kCount;
        Prefetch prefetch{reinterpret_cast<const char*>(fetched), kTileBytes};
        accumulator_.rows(context_.kernels, data + from * kCount, kCount,
                          int(std::min<int64_t>(portion, end - from)), &prefetch,
                          first_lanes(kCount), column_of);
      }
      accumulator_.finish(context_.kernels, data + row * kCount, kCount, int(end - row),
                          first_lanes(kCount), column_of, infinity_);
    }
    sum_small(data + rows * kCount, count - rows * kCount);
  }

  // Counts rows without a value, which sum() is not given.
  void add_missing(int64_t rows) {
    own_.count -= rows;
    own_.missing += rows;
  }

  // Sums values that are too few for a tile.
  void sum_small(const StorageType<T>* data, int64_t count) {
    using Number = std::conditional_t<kIsFloating<T>, double, StorageType<T>>;
    Number values[kMaxSmall];
    for (int64_t from = 0; from < count; from += kMaxSmall) {
      int some = int(std::min<int64_t>(kMaxSmall, count - from));
      for (int i = 0; i < some; ++i) values[i] = Number(to_number(data[from + i]));
      if (add_small(own_, values, some)) continue;
      for (int i = 0; i < some; ++i) add_one(data[from + i]);
    }
  }

  // Returns the sums since the last call. Rows are not counted, except that missing ones are
  // subtracted from the count. The accumulator keeps its windows.
  Column take() {
    if (std::exchange(has_tiles_, false)) accumulator_.flush_together(own_);
    if (infinity_.seen && !infinity_.missing) context_.infinite = true;
    return std::exchange(own_, Column());
  }

  void finish() {
    Column sums = take();
    std::lock_guard lock(context_.results.mutex_of(column_));
    context_.results[column_].add(sums);
  }

 private:
  static constexpr int kCount = AccumulatorFor<T>::kCount;
  // Rows that are summed at once if a tile takes several sweeps, so that later sweeps find them in
  // L1; the rows after them are prefetched. With a single sweep, nearer rows are prefetched.
  static constexpr int kFewRows = 64;
  static constexpr int kNearRows = 4096 / (kCount * int(sizeof(StorageType<T>)));

  void add_one(StorageType<T> element) {
    auto x = to_number(element);
    if constexpr (kIsFloating<T>) {
      if (!(std::abs(x) <= std::numeric_limits<double>::max())) {
        infinity_.seen |= x == x;
        --own_.count;
        ++own_.missing;
        return;
      }
    }
    add_scalar(own_, x);
  }

  SumContext& context_;
  int64_t column_;
  AccumulatorFor<T> accumulator_{true};
  Column own_;
  bool has_tiles_ = false;
  InfinityPolicy infinity_;
};

}  // namespace evenly
