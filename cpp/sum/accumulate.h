// Computes the exact moments of arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "base/array_view.h"
#include "exact/moments.h"

namespace evenly {

struct AccumulateOptions {
  bool infinite_as_missing = false;
  int threads = 1;
  const double* weights = nullptr;  // one per row, finite and not negative
};

// Both return the moments of the given data. `infinite` is set if the data contain an infinity that
// may not be treated as missing; the moments are then invalid.
std::vector<Column> accumulate(const Array& array, const AccumulateOptions& options,
                               bool& infinite);
std::vector<Column> accumulate(const std::vector<ArrowColumn>& columns,
                               const AccumulateOptions& options, bool& infinite);

// The same, one value at a time, without kernels. Also the reference that the kernels are tested
// against.
std::vector<Column> accumulate_scalar(const Array& array, const AccumulateOptions& options,
                                      bool& infinite);
std::vector<Column> accumulate_scalar(const std::vector<ArrowColumn>& columns,
                                      const AccumulateOptions& options, bool& infinite);

struct Location {
  int64_t row = -1;
  int64_t column = -1;
};
// The first column that contains an infinity (in a row with a positive weight), and the first such
// row of that column.
Location find_infinity(const Array& array, const double* weights);
Location find_infinity(const std::vector<ArrowColumn>& columns, const double* weights);

}  // namespace evenly
