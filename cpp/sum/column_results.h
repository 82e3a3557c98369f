// The results of one call, shared by its tasks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "exact/moments.h"
#include "kernels/kernel_table.h"
#include "kernels/tile.h"
#include "sum/accumulator_for.h"

namespace evenly {

// The columns to which all tasks of a call add. Tasks lock them only while they flush.
class SharedColumns {
 public:
  explicit SharedColumns(int64_t columns, int64_t rows) : columns_(std::size_t(columns)) {
    for (Column& column : columns_) column.count = rows;
  }
  Column& operator[](int64_t index) { return columns_[std::size_t(index)]; }
  std::mutex& mutex_of(int64_t column) { return mutexes_[std::size_t(column / 256 % 64)]; }
  std::vector<Column> take() { return std::move(columns_); }

 private:
  std::vector<Column> columns_;
  std::array<std::mutex, 64> mutexes_;
};

// The columns of one task. Concurrent tasks add to local columns, created at first use, and merge
// them at the end; a task that runs alone adds to the shared columns directly.
class LocalColumns {
 public:
  LocalColumns(SharedColumns& results, bool alone, int64_t first, int64_t count)
      : shared_(results), alone_(alone), first_(first), count_(count) {}
  Column& operator[](int64_t column) {
    if (alone_) return shared_[column];
    if (columns_.empty()) columns_.resize(std::size_t(count_));
    return columns_[std::size_t(column - first_)];
  }
  void merge() {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      int64_t column = first_ + int64_t(i);
      std::lock_guard lock(shared_.mutex_of(column));
      shared_[column].add(columns_[i]);
    }
    columns_.clear();
  }

 private:
  SharedColumns& shared_;
  bool alone_;
  int64_t first_, count_;
  std::vector<Column> columns_;
};

struct SumContext {
  const Kernels& kernels;
  SharedColumns& results;
  InfinityPolicy infinity_policy;
  std::atomic<bool> infinite{false};
};

inline LaneMask first_lanes(int64_t count) {
  return count >= 128 ? ~LaneMask(0) : (LaneMask(1) << count) - 1;
}

}  // namespace evenly
