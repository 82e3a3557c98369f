// Sums one value at a time, in the caller's order.
#include <array>

#include "sum/accumulate.h"
#include "sum/scalar_column.h"
#include "sum/split_columns.h"

namespace evenly {
namespace {

constexpr int64_t kMinRows = 1024;  // of a task

}  // namespace

std::vector<Column> accumulate_scalar(const Array& array, const AccumulateOptions& options,
                                      bool& infinite) {
  const std::vector<Axis> axes = row_axes(array);
  const int64_t step = feature_stride(array);
  constexpr int64_t kColumnsPerTask = 16;  // of a task; neighbors share cache lines
  auto part = [&](int64_t row0, int64_t row1, int64_t first, int columns, Column* into) {
    std::array<ScalarColumn, kColumnsPerTask> own;
    InfinityPolicy infinity{options.infinite_as_missing};
    with_type(array.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(array.data));
      for (int64_t row = row0; row < row1; ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        auto* from = data + offset_of(axes, row) + first * step;
        for (int c = 0; c < columns; ++c, from += step)
          own[std::size_t(c)].add(to_number(*from), weight, infinity);
      }
    });
    for (int c = 0; c < columns; ++c) into[c] = own[std::size_t(c)].take();
    return infinity.seen && !infinity.missing;
  };
  return sum_in_tasks(array.rows(), array.columns(), kColumnsPerTask, kMinRows, options.threads,
                      infinite, part);
}

std::vector<Column> accumulate_scalar(const std::vector<ArrowColumn>& columns,
                                      const AccumulateOptions& options, bool& infinite) {
  auto part = [&](int64_t row0, int64_t row1, int64_t index, int, Column* into) {
    const ArrowColumn& column = columns[std::size_t(index)];
    InfinityPolicy infinity{options.infinite_as_missing};
    ScalarColumn own;
    with_type(column.values.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(column.values.data));
      for (int64_t row = row0; row < row1; ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        if (column.has_value(row)) {
          own.add(to_number(data[row * column.values.strides[0]]), weight, infinity);
        } else {
          own.add_missing(weight);
        }
      }
    });
    *into = own.take();
    return infinity.seen && !infinity.missing;
  };
  const int64_t rows = columns.empty() ? 0 : columns[0].length();
  return sum_in_tasks(rows, int64_t(columns.size()), 1, kMinRows, options.threads, infinite, part);
}

}  // namespace evenly
