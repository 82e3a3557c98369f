// Locates the first infinity. Called only after a sum has encountered one.
#include <cmath>
#include <limits>
#include <type_traits>

#include "sum/accumulate.h"

namespace evenly {
namespace {

template <class T>
bool is_infinite(T element) {
  auto x = to_number(element);
  if constexpr (std::is_floating_point_v<decltype(x)>) {
    return std::abs(x) > std::numeric_limits<double>::max();
  }
  return false;
}

}  // namespace

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
