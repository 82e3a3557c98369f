// A task that sums a column whose values follow each other.
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
class RunTask {
 public:
  RunTask(Shared& shared, int64_t column) : shared_(shared), column_(column) {
    infinity_.missing = shared.rule.missing;
  }

  // `next`: what will be summed after them, if that is known.
  void sum(const Stored<T>* data, int64_t count, const Stored<T>* next = nullptr) {
    const int64_t rows = count / kCount;
    const int portion = shared_.kernels.one_sweep ? kTileRows : kFewRows;
    in_strip_ |= rows > 0;
    auto column_of = [&](int) -> Column& { return own_; };
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const int64_t end = std::min(row + kTileRows, rows);
      strip_.start(shared_.kernels);
      for (int64_t from = row; from < end; from += portion) {
        const int64_t later = from + (shared_.kernels.one_sweep ? kNearRows : portion);
        const Stored<T>* fetched = next && later >= rows ? next : data + later * kCount;
        Ahead ahead{reinterpret_cast<const char*>(fetched), kTileBytes};
        strip_.rows(shared_.kernels, data + from * kCount, kCount,
                    int(std::min<int64_t>(portion, end - from)), &ahead, first_lanes(kCount),
                    column_of);
      }
      strip_.finish(shared_.kernels, data + row * kCount, kCount, int(end - row),
                    first_lanes(kCount), column_of, infinity_);
    }
    sum_few(data + rows * kCount, count - rows * kCount);
  }

  // Rows without a value that sum() was not given.
  void add_missing(int64_t rows) {
    own_.count -= rows;
    own_.missing += rows;
  }

  // The same for values too few to be worth a tile.
  void sum_few(const Stored<T>* data, int64_t count) {
    using Number = std::conditional_t<kIsFloating<T>, double, Stored<T>>;
    Number values[kMostFew];
    for (int64_t from = 0; from < count; from += kMostFew) {
      int some = int(std::min<int64_t>(kMostFew, count - from));
      for (int i = 0; i < some; ++i) values[i] = Number(number(data[from + i]));
      if (add_few(own_, values, some)) continue;
      for (int i = 0; i < some; ++i) add_one(data[from + i]);
    }
  }

  // What was summed since the last time, in which no row counts but missing ones, below zero. The
  // strip keeps its windows.
  Column take() {
    if (std::exchange(in_strip_, false)) strip_.flush_together(own_);
    if (infinity_.seen && !infinity_.missing) shared_.infinite = true;
    return std::exchange(own_, Column());
  }

  void finish() {
    Column sums = take();
    std::lock_guard lock(shared_.sink.mutex_of(column_));
    shared_.sink[column_].add(sums);
  }

 private:
  static constexpr int kCount = Strip<T>::kCount;
  // Rows that are summed at once where that takes several sweeps: the later ones find them in L1.
  // What is fetched lies beyond them; where one sweep does, near.
  static constexpr int kFewRows = 64;
  static constexpr int kNearRows = 4096 / (kCount * int(sizeof(Stored<T>)));

  void add_one(Stored<T> element) {
    auto x = number(element);
    if constexpr (kIsFloating<T>) {
      if (!(std::abs(x) <= std::numeric_limits<double>::max())) {
        infinity_.seen |= x == x;
        --own_.count;
        ++own_.missing;
        return;
      }
    }
    add_plain(own_, x);
  }

  Shared& shared_;
  int64_t column_;
  Strip<T> strip_{true};
  Column own_;
  bool in_strip_ = false;
  InfinityRule infinity_;
};

}  // namespace evenly
