// Columns whose rows belong to groups, into the moments of each group.
#pragma once

#include <cstdint>
#include <vector>

#include "sum/accumulate.h"

namespace evenly {

// Of each row, the number of its group: from 0 to count - 1.
struct RowGroups {
  const int64_t* codes;
  int64_t rows;
  int64_t count;
};

// Returns the moments of each group's rows, the columns of a group together. `infinite` is set as
// by `accumulate`.
std::vector<Column> accumulate_groups(const std::vector<ArrowColumn>& columns,
                                      const RowGroups& groups, const AccumulateOptions& options,
                                      bool& infinite);

// Values of which each column has some that follow each other: the i-th those from starts[i] to
// starts[i + 1].
struct Slices {
  Array values;
  const int64_t* starts;
  int64_t count;
};
std::vector<Column> accumulate(const Slices& slices, const AccumulateOptions& options,
                               bool& infinite);
// The place of the first infinity among the values, and its column.
Location find_infinity(const Slices& slices, const double* weights);

}  // namespace evenly
