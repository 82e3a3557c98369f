// The expected result of accumulate(): the scalar path in a simple loop over the elements.
#pragma once

#include "sum/accumulate.h"
#include "sum/scalar_sum.h"
#include "tests/arrays.h"

namespace evenly::testing {

struct Reference {
  std::vector<Column> columns;
  bool infinite = false;
  Location first;  // the first infinity

  explicit Reference(int64_t count) : columns(std::size_t(count)) {}

  template <class T>
  void add(int64_t row, int64_t index, T element) {
    Column& column = columns[std::size_t(index)];
    auto x = to_number(element);
    if constexpr (std::is_floating_point_v<decltype(x)>) {
      if (std::isinf(x)) {
        infinite = true;
        bool earlier =
            first.column < 0 || index < first.column || (index == first.column && row < first.row);
        if (earlier) first = {row, index};
      }
      if (!std::isfinite(x)) {
        ++column.missing;
        return;
      }
    }
    ++column.count;
    add_scalar(column, x);
  }
};

inline Reference reference(const TestArray& array) {
  Reference result(array.layout().columns());
  with_type(array.array().dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_each_element(array.layout(), [&](int64_t row, int64_t column, int64_t offset) {
      result.add(row, column, array.data<T>()[offset]);
    });
  });
  return result;
}

// The first column that differs, or -1.
inline int64_t difference(const std::vector<Column>& a, const std::vector<Column>& b) {
  if (a.size() != b.size()) return int64_t(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].equal_sums(b[i]) || a[i].min != b[i].min || a[i].max != b[i].max) return int64_t(i);
  }
  return -1;
}

}  // namespace evenly::testing
