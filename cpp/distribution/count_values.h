// Counts the values of the columns of arrays.
#pragma once

#include <vector>

#include "sum/accumulate.h"
#include "sum/grouped_sum.h"

namespace evenly {

// Each sets the histograms of the columns, whose sums accumulate() has returned for the same data:
// they are finite, or infinities are missing values. The weights must be whole numbers. Throws
// std::overflow_error if a column has 2^63 values or more.
void count_values(const Array& array, const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns);
void count_values(const std::vector<ArrowColumn>& data, const AccumulateOptions& options,
                  int64_t most_bins, std::vector<Column>& columns);
void count_values(const Slices& slices, const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns);
void count_values(const std::vector<ArrowColumn>& data, const RowGroups& groups,
                  const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns);

}  // namespace evenly
