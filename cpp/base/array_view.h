// Strided arrays, and their decomposition into rows of contiguous values.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace evenly {

// Strides count elements. The feature axis enumerates the columns; all other axes together
// enumerate the rows, in C order.
struct Array {
  const void* data = nullptr;
  DType dtype = DType::kFloat64;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  int feature_axis = -1;  // -1 for a one-dimensional array, which is a single column

  int64_t columns() const { return feature_axis < 0 ? 1 : shape[std::size_t(feature_axis)]; }
  int64_t rows() const;
};

// A column, optionally with an Arrow validity bitmap (a set bit means that there is a value).
struct ArrowColumn {
  Array values;  // one-dimensional
  const uint8_t* validity = nullptr;
  int64_t bit_offset = 0;

  int64_t length() const { return values.shape[0]; }
  bool has_value(int64_t row) const {
    int64_t bit = bit_offset + row;
    return !validity || validity[bit >> 3] >> (bit & 7) & 1;
  }
};

struct Axis {
  int64_t extent;
  int64_t stride;
};

// The offset, in elements, of the index-th combination of axis positions; the last axis varies
// fastest.
int64_t offset_of(const std::vector<Axis>& axes, int64_t index);
// The number of combinations.
int64_t element_count(const std::vector<Axis>& axes);

// The axes of an array's rows, and the stride from one column to the next.
std::vector<Axis> row_axes(const Array& array);
int64_t feature_stride(const Array& array);

// The same elements with the axes sorted by stride, all strides positive, and adjacent axes merged
// where possible. A sum does not depend on the order of its terms, so this is free.
struct StridedGrid {
  const char* data = nullptr;
  DType dtype = DType::kFloat64;
  Axis feature{1, 0};
  std::vector<Axis> others;       // largest stride first
  bool feature_reversed = false;  // the first column in memory is the last column of the array
  bool empty = false;
};
StridedGrid strided_grid(const Array& array);

// `rows` rows of `width` contiguous values each. Value j of a row belongs to
// column first_column + (j / inner) % columns.
struct RowPanel {
  const char* data;
  int64_t rows;
  int64_t row_stride;  // elements
  int64_t width;
  int64_t inner;
  int64_t columns;
  int64_t first_column;

  int64_t column(int64_t j) const { return first_column + j / inner % columns; }
};

// Enumerates the columns of a row's values in order, without divisions.
class ColumnIterator {
 public:
  ColumnIterator(const RowPanel& panel, int64_t j)
      : panel_(panel), column_(panel.column(j)), within_(j % panel.inner) {}
  int64_t next() {
    int64_t column = column_;
    if (++within_ == panel_.inner) {
      within_ = 0;
      if (++column_ == panel_.first_column + panel_.columns) column_ = panel_.first_column;
    }
    return column;
  }

 private:
  const RowPanel& panel_;
  int64_t column_, within_;
};

}  // namespace evenly
