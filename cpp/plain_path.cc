// One value at a time, in the caller's order.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "accumulate.h"
#include "control.h"
#include "cut.h"
#include "lanes.h"
#include "plain_column.h"
#include "threads.h"

namespace evenly {
namespace {

template <class T>
bool is_infinite(T element) {
  auto x = number(element);
  if constexpr (std::is_floating_point_v<decltype(x)>) {
    return std::abs(x) > std::numeric_limits<double>::max();
  }
  return false;
}

}  // namespace

std::vector<Column> accumulate_plain(const Array& array, const AccumulateOptions& options,
                                     bool& infinite) {
  int64_t columns = array.columns(), rows = array.rows();
  std::vector<Axis> axes = row_axes(array);
  constexpr int64_t kTogether = 16;  // columns of a task: neighbours share cache lines
  int64_t strips = (columns + kTogether - 1) / kTogether;
  int64_t parts = std::clamp<int64_t>(rows / 1024, 1, parts_of(strips, options.threads));
  std::vector<Column> sums(static_cast<std::size_t>(columns * parts));  // a part's columns together
  std::atomic<bool> stop{false};
  parallel(strips * parts, options.threads, [&](int64_t task) {
    ExactMode mode;
    int64_t first = task / parts * kTogether, last = std::min(columns, first + kTogether);
    int64_t part = task % parts, row1 = cut(rows, parts, part + 1);
    std::array<PlainColumn, kTogether> own;
    InfinityRule infinity{options.infinite_as_missing};
    with_type(array.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(array.data));
      for (int64_t row = cut(rows, parts, part); row < row1; ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        auto* from = data + offset_of(axes, row) + first * feature_stride(array);
        for (int64_t c = first; c < last; ++c, from += feature_stride(array)) {
          own[std::size_t(c - first)].add(number(*from), weight, infinity);
        }
      }
    });
    for (int64_t c = first; c < last; ++c) {
      sums[std::size_t(part * columns + c)] = own[std::size_t(c - first)].take();
    }
    if (infinity.seen && !infinity.missing) stop = true;
  });
  for (std::size_t i = std::size_t(columns); i < sums.size(); ++i) {
    sums[i % std::size_t(columns)].add(sums[i]);
  }
  sums.resize(std::size_t(columns));
  infinite = stop;
  return sums;
}

std::vector<Column> accumulate_plain(const std::vector<ArrowColumn>& columns,
                                     const AccumulateOptions& options, bool& infinite) {
  std::vector<Column> sums(columns.size());
  std::atomic<bool> stop{false};
  parallel(int64_t(columns.size()), options.threads, [&](int64_t index) {
    ExactMode mode;
    const ArrowColumn& column = columns[std::size_t(index)];
    InfinityRule infinity{options.infinite_as_missing};
    PlainColumn part;
    with_type(column.values.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(column.values.data));
      for (int64_t row = 0; row < column.length(); ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        if (column.has_value(row)) {
          part.add(number(data[row * column.values.strides[0]]), weight, infinity);
        } else {
          part.add_missing(weight);
        }
      }
    });
    sums[std::size_t(index)] = part.take();
    if (infinity.seen && !infinity.missing) stop = true;
  });
  infinite = stop;
  return sums;
}

Place first_infinity(const Array& array, const double* weights) {
  std::vector<Axis> axes = row_axes(array);
  int64_t rows = array.rows();
  return with_type(array.dtype, [&](auto* type) -> Place {
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

Place first_infinity(const std::vector<ArrowColumn>& columns, const double* weights) {
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
