// Correctly rounded mean and standard deviation from exact sums, for one or many columns.
//
// This handles ordinary columns, in a hundredth of the time that Python's integers take
// (src/evenly/exact_stats.py handles every column). It never guesses: if the rounding is uncertain,
// the status says so.
#pragma once

#include <cstdint>
#include <vector>

#include "exact/moments.h"

namespace evenly {

enum class Status {
  kCertain,    // every number is the nearest double
  kUndefined,  // no values, or not more than the correction: the mean (or 0), and a factor of 0
  kUnsure,     // the rounding is uncertain; the caller must use Python's integers
};

// The mean as the sum of two doubles (the nearest one, and the one nearest to the remainder), and 1
// / std or std; the factor is 0 for a constant column.
struct Statistics {
  double high = 0, low = 0, factor = 0;
  Status status = Status::kUnsure;
};

// For sums of up to 48 limbs. `finalize` gives the same bits, in a tenth of the time if the sums
// are short (exact/short_finalize.h).
Statistics finalize_any(const Column& column, int64_t correction, bool inverse);
Statistics finalize(const Column& column, int64_t correction, bool inverse);

// The same for all columns, written to one array each; returns the worst status.
Status finalize(const std::vector<Column>& columns, int64_t correction, bool inverse, double* high,
                double* low, double* factor);

}  // namespace evenly
