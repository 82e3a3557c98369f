// The histogram of a few values, by sorting.
#pragma once

#include <cstdint>
#include <vector>

#include "distribution/histogram.h"

namespace evenly {

// The histogram of values with these ordered bits, whose order is changed.
Histogram histogram_of(std::vector<uint64_t>& keys, int64_t most_bins);

}  // namespace evenly
