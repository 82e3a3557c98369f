// Sums columns with validity bitmaps.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "sum/accumulate.h"
#include "sum/column_results.h"
#include "sum/column_run_task.h"

namespace evenly {

// Copies the values that are present in rows [row0, row1) to `to`; returns how many.
template <class S>
int64_t copy_present(const ArrowColumn& column, int64_t row0, int64_t row1, S* to) {
  const S* data = static_cast<const S*>(column.values.data);
  int64_t stride = column.values.strides[0], kept = 0;
  for (int64_t row = row0; row < row1;) {
    int64_t bit = column.bit_offset + row;
    // Usually 64 consecutive rows are all present or all missing.
    if (column.validity && stride == 1 && bit % 8 == 0 && row + 64 <= row1) {
      uint64_t word;
      std::memcpy(&word, column.validity + bit / 8, sizeof word);
      if (word == ~uint64_t(0)) {
        std::memcpy(static_cast<void*>(to + kept), data + row, 64 * sizeof(S));
        kept += 64;
      }
      if (word == ~uint64_t(0) || word == 0) {
        row += 64;
        continue;
      }
    }
    int64_t end = std::min(row1, row + 64);
    for (; row < end; ++row) {
      to[kept] = data[row * stride];
      kept += column.has_value(row);
    }
  }
  return kept;
}

// Sums the values that are present in rows [row0, row1), from a compact copy if necessary.
template <class T>
void sum_present(ColumnRunTask<T>& task, const ArrowColumn& column, int64_t row0, int64_t row1) {
  using S = StorageType<T>;
  const S* data = static_cast<const S*>(column.values.data);
  if (!column.validity && column.values.strides[0] == 1) return task.sum(data + row0, row1 - row0);
  constexpr int64_t kBufferRows = 8192;
  std::vector<S> buffer(kBufferRows);
  for (int64_t row = row0; row < row1; row += kBufferRows) {
    int64_t end = std::min(row1, row + kBufferRows);
    int64_t kept = copy_present(column, row, end, buffer.data());
    task.sum(buffer.data(), kept);
    task.add_missing(end - row - kept);
  }
}

inline void sum_nullable(SumContext& context, const std::vector<ArrowColumn>& columns,
                         int threads) {
  int64_t count = int64_t(columns.size()), rows = count ? columns[0].length() : 0;
  int64_t bytes = 0;
  for (const ArrowColumn& column : columns) bytes += rows * size_of(column.values.dtype);
  int useful = useful_threads(bytes, threads);
  int64_t parts = std::max<int64_t>(1, std::min(task_count(count, useful), rows));
  parallel(count * parts, useful, [&](int64_t index) {
    ScopedFpEnvironment fp_environment;
    const ArrowColumn& column = columns[std::size_t(index / parts)];
    with_type(column.values.dtype, [&](auto* type) {
      ColumnRunTask<std::remove_pointer_t<decltype(type)>> task(context, index / parts);
      sum_present(task, column, split_point(rows, parts, index % parts),
                  split_point(rows, parts, index % parts + 1));
      task.finish();
    });
  });
}

}  // namespace evenly
