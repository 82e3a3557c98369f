// Mean and standard deviation from exact sums, correctly rounded, for one column or many.
//
// Python's integers do the same for every column there can be (src/evenly/readout.py); this
// is for ordinary ones, at a hundredth of the time. It never guesses: what it is not sure of,
// it says.
#pragma once

#include <cstdint>
#include <vector>

#include "exact/moments.h"

namespace evenly {

enum class Status {
  kCertain,    // every number is the nearest double
  kUndefined,  // no value, or not more than the correction: the mean or 0, and 0
  kUnsure,     // somebody else must find out
};

// The mean as the sum of two doubles (the nearest one, and the nearest to the rest), and
// 1 / std, or std; 0 for a constant column.
struct Statistics {
  double high = 0, low = 0, factor = 0;
  Status status = Status::kUnsure;
};

Statistics finalize(const Column& column, int64_t correction, bool inverse);

// The same for all columns, into arrays of as many; returns the worst certainty.
Status finalize(const std::vector<Column>& columns, int64_t correction, bool inverse, double* high,
                double* low, double* factor);

}  // namespace evenly
