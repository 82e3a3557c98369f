// Normalising: every value minus its column's mean, times its column's factor.
#pragma once

#include "base/array_view.h"

namespace evenly {

struct ScaleOptions {
  const double* high;  // one a column: the mean, rounded to float64 ...
  const double* low;   // ... and what that leaves
  const double* factor;
  bool inverse = false;  // x * factor + low + high instead of ((x - high) - low) * factor
  bool nan_to_zero = false;
  int threads = 1;
};

// x and out have the same shape and feature axis; out is of a floating type. They may be the
// same memory, but not overlap otherwise.
void scale(const Array& x, const Array& out, const ScaleOptions& options);

}  // namespace evenly
