// Computes the exact moments of each group of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "sum/accumulate.h"

namespace evenly {

// The group of each row, from 0 to count - 1.
struct RowGroups {
  const int64_t* codes;
  int64_t rows;
  int64_t count;
};

// Returns the moments of each group's rows, all columns of a group together. `infinite` is set as
// by accumulate().
std::vector<Column> accumulate_groups(const std::vector<ArrowColumn>& columns,
                                      const RowGroups& groups, const AccumulateOptions& options,
                                      bool& infinite);

// Contiguous slices of an array, one per column: slice i goes from starts[i] to starts[i + 1].
struct Slices {
  Array values;
  const int64_t* starts;
  int64_t count;
};
std::vector<Column> accumulate(const Slices& slices, const AccumulateOptions& options,
                               bool& infinite);
// The position of the first infinity among all values, and its column.
Location find_infinity(const Slices& slices, const double* weights);

}  // namespace evenly
