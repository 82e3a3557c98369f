// Normalization of the columns of a table, each with a type of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "base/array_view.h"

namespace evenly {

// Contiguous values of a result.
struct FloatColumn {
  void* data;
  DType dtype;  // float32 or float64
};

// Tables with one row per group of rows, or a single row, and one entry per column.
struct ColumnScales {
  const double* high;
  const double* low;
  const double* factor;
  const int64_t* power = nullptr;   // high, low and factor are those of x * 2^power
  const int64_t* groups = nullptr;  // for each row of the data, its row in the tables
  bool inverse = false;
  bool nan_to_zero = false;
  int threads = 1;
};

// The columns have the same length. A row without a value becomes NaN, or 0 with nan_to_zero.
void scale_columns(const std::vector<ArrowColumn>& columns, const std::vector<FloatColumn>& outs,
                   const ColumnScales& scales);

}  // namespace evenly
