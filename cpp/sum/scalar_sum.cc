// One value at a time, in the caller's order.
#include <array>
#include <cmath>
#include <limits>

#include "sum/accumulate.h"
#include "sum/accumulator_for.h"
#include "sum/scalar_column.h"
#include "sum/split_columns.h"

namespace evenly {
namespace {

constexpr int64_t kMinRows = 1024;  // of a task

template <class T>
bool is_infinite(T element) {
  auto x = to_number(element);
  if constexpr (std::is_floating_point_v<decltype(x)>) {
    return std::abs(x) > std::numeric_limits<double>::max();
  }
  return false;
}

}  // namespace

std::vector<Column> accumulate_scalar(const Array& array, const AccumulateOptions& options,
                                      bool& infinite) {
  const std::vector<Axis> axes = row_axes(array);
  const int64_t step = feature_stride(array);
  constexpr int64_t kColumnsPerTask = 16;  // columns of a task: neighbours share cache lines
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

Location find_infinity(const Array& array, const double* weights) {
  std::vector<Axis> axes = row_axes(array);
  int64_t rows = array.rows();
  return with_type(array.dtype, [&](auto* type) -> Location {
    auto* data = static_cast<decltype(type)>(const_cast<void*>(array.data));
    for (int64_t c = 0; c < array.columns(); ++c) {
      for (int64_t row = 0; row < rows; ++row) {
        if (weights && weights[row] == 0) continue;
        if (is_infinite(data[offset_of(axes, row) + c * feature_stride(array)])) return {row, c};
      }
    }
    return {};
  });
}

Location find_infinity(const std::vector<ArrowColumn>& columns, const double* weights) {
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const ArrowColumn& column = columns[c];
    int64_t row = with_type(column.values.dtype, [&](auto* type) -> int64_t {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(column.values.data));
      for (int64_t r = 0; r < column.length(); ++r) {
        if ((weights && weights[r] == 0) || !column.has_value(r)) continue;
        if (is_infinite(data[r * column.values.strides[0]])) return r;
      }
      return -1;
    });
    if (row >= 0) return {row, int64_t(c)};
  }
  return {};
}

}  // namespace evenly
