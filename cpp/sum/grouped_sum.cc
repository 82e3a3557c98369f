// Gathers the rows of each group, column by column, and sums them as a contiguous run.
//
// Gathering reads each value once and keeps the current group's sums in the cache. Processing the
// rows in order would instead load three cache lines for every value, those of its group's sums.
#include "sum/grouped_sum.h"

#include <algorithm>
#include <atomic>

#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "sum/column_results.h"
#include "sum/column_run_task.h"
#include "sum/group_order.h"
#include "sum/scalar_column.h"

namespace evenly {
namespace {

template <class S>
void gather_listed(const S* data, int64_t stride, const int64_t* rows, int64_t count, S* to) {
  if (count >= 8 * kAhead) {
    for (int64_t i = 0; i < count; ++i) to[i] = data[rows[i] * stride];
    return;
  }
  for (int64_t i = 0; i < count; ++i) {  // short groups would not be prefetched by the hardware
    __builtin_prefetch(data + rows[i + kAhead] * stride);
    to[i] = data[rows[i] * stride];
  }
}

// Copies the values that are present in these rows to `to`; returns how many.
template <class S>
int64_t gather(const ArrowColumn& column, const Rows& rows, S* to) {
  const S* data = static_cast<const S*>(column.values.data);
  int64_t stride = column.values.strides[0], kept = 0;
  if (!column.validity) {
    if (rows.listed) {
      gather_listed(data, stride, rows.listed, rows.count, to);
    } else {
      for (int64_t i = 0; i < rows.count; ++i) to[i] = data[(rows.first + i) * stride];
    }
    return rows.count;
  }
  for (int64_t i = 0; i < rows.count; ++i) {
    to[kept] = data[rows[i] * stride];
    kept += column.has_value(rows[i]);
  }
  return kept;
}

// With fewer values, starting and finishing a tile costs more than adding them one by one.
constexpr int64_t kMinTileValues = 64;
constexpr int64_t kBufferRows = 8192;
// The number of groups processed per column, so that their sums stay in the cache.
constexpr int64_t kGroupsPerBlock = 256;

template <class T>
void sum_values(ColumnRunTask<T>& task, const StorageType<T>* values, int64_t count) {
  count < kMinTileValues ? task.sum_small(values, count) : task.sum(values, count);
}

template <class T>
void sum_group(ColumnRunTask<T>& task, const ArrowColumn& column, const Rows& rows,
               StorageType<T>* buffer, Column& into) {
  if (!rows.listed && !column.validity && column.values.strides[0] == 1) {
    sum_values(task, static_cast<const StorageType<T>*>(column.values.data) + rows.first,
               rows.count);
  } else {
    for (int64_t from = 0; from < rows.count; from += kBufferRows) {
      Rows part = rows.part(from, kBufferRows);
      int64_t kept = gather(column, part, buffer);
      sum_values(task, buffer, kept);
      task.add_missing(part.count - kept);
    }
  }
  into = task.take();
  into.count += rows.count;
}

template <class T>
Column sum_group_scalar(const ArrowColumn& column, const Rows& rows, const double* weights,
                        InfinityPolicy& infinity) {
  const T* data = static_cast<const T*>(column.values.data);
  ScalarColumn sums;
  for (int64_t i = 0; i < rows.count; ++i) {
    const double* weight = weights ? weights + rows[i] : nullptr;
    if (column.has_value(rows[i])) {
      sums.add(to_number(data[rows[i] * column.values.strides[0]]), weight, infinity);
    } else {
      sums.add_missing(weight);
    }
  }
  return sums.take();
}

std::vector<Column> accumulate_in_order(const GroupOrder& order,
                                        const std::vector<ArrowColumn>& columns,
                                        const AccumulateOptions& options, bool& infinite) {
  const Kernels* kernels = options.weights ? nullptr : chosen_kernels();
  const InfinityPolicy infinity_policy{options.infinite_as_missing};
  const int64_t rows = order.starts.back(), count = order.count();
  int64_t width = int64_t(columns.size());
  std::vector<Column> sums(std::size_t(width * count));
  SharedColumns unused(0, 0);
  std::atomic<bool> stop{false};

  // Sums one column of groups [first, last).
  auto sum_groups = [&](int64_t c, int64_t first, int64_t last, double* buffer) {
    const ArrowColumn& column = columns[std::size_t(c)];
    Column* into = sums.data() + first * width + c;
    with_type(column.values.dtype, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      if (!kernels) {
        InfinityPolicy infinity = infinity_policy;
        for (int64_t g = first; g < last; ++g, into += width) {
          *into = sum_group_scalar<T>(column, order.rows_of(g), options.weights, infinity);
        }
        if (infinity.seen && !infinity.missing) stop = true;
        return;
      }
      SumContext context{*kernels, unused, infinity_policy};
      ColumnRunTask<T> task(context, 0);
      for (int64_t g = first; g < last; ++g, into += width) {
        sum_group(task, column, order.rows_of(g), reinterpret_cast<StorageType<T>*>(buffer), *into);
      }
      if (context.infinite) stop = true;
    });
  };

  int64_t bytes = 0;
  for (const ArrowColumn& column : columns) bytes += rows * size_of(column.values.dtype);
  int useful = useful_threads(bytes, options.threads);
  int64_t parts = useful == 1 ? 1 : 4 * useful;
  // A task processes all columns of some groups, so that no two tasks write to the same cache line.
  parallel(parts, useful, [&](int64_t part) {
    ScopedFpEnvironment fp_environment;
    int64_t first = order.group_at(split_point(rows, parts, part));
    int64_t last = order.group_at(split_point(rows, parts, part + 1));
    if (part + 1 == parts) last = count;
    if (part == 0) first = 0;
    std::vector<double> buffer(kBufferRows);
    for (int64_t g = first; g < last; g += kGroupsPerBlock) {
      for (int64_t c = 0; c < width; ++c) {
        sum_groups(c, g, std::min(last, g + kGroupsPerBlock), buffer.data());
      }
    }
  });
  infinite = stop;
  return sums;
}

}  // namespace

std::vector<Column> accumulate_groups(const std::vector<ArrowColumn>& columns,
                                      const RowGroups& groups, const AccumulateOptions& options,
                                      bool& infinite) {
  return accumulate_in_order(GroupOrder(groups), columns, options, infinite);
}

std::vector<Column> accumulate(const Slices& slices, const AccumulateOptions& options,
                               bool& infinite) {
  return accumulate_in_order(GroupOrder(slices), {{slices.values}}, options, infinite);
}

Location find_infinity(const Slices& slices, const double* weights) {
  Location position = find_infinity(slices.values, weights);
  const int64_t* end = slices.starts + slices.count + 1;
  position.column = std::upper_bound(slices.starts, end, position.row) - slices.starts - 1;
  return position;
}

}  // namespace evenly
