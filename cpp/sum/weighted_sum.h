// Arrays with a weight for each row, into moments.
#pragma once

#include "sum/accumulate.h"

namespace evenly {

// As accumulate; where there are no kernels for it, accumulate_plain.
std::vector<Column> accumulate_weighted(const Array& array, const AccumulateOptions& options,
                                        bool& infinite);
std::vector<Column> accumulate_weighted(const std::vector<ArrowColumn>& columns,
                                        const AccumulateOptions& options, bool& infinite);

}  // namespace evenly
