// Computes the exact moments of arrays with a weight for each row.
#pragma once

#include "sum/accumulate.h"

namespace evenly {

// Like accumulate(); without weighted kernels, like accumulate_scalar().
std::vector<Column> accumulate_weighted(const Array& array, const AccumulateOptions& options,
                                        bool& infinite);
std::vector<Column> accumulate_weighted(const std::vector<ArrowColumn>& columns,
                                        const AccumulateOptions& options, bool& infinite);

}  // namespace evenly
