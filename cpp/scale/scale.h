// Normalization: subtracts each column's mean and multiplies by its factor.
#pragma once

#include "base/array_view.h"

namespace evenly {

struct ScaleOptions {
  const double* high;  // one per column: the mean, rounded to float64 ...
  const double* low;   // ... and the remainder
  const double* factor;
  bool inverse = false;  // x * factor + low + high instead of ((x - high) - low) * factor
  bool nan_to_zero = false;
  int threads = 1;
};

// x and out have the same shape and feature axis, and out has a floating-point type. They may be
// the same memory but must not overlap otherwise.
void scale(const Array& x, const Array& out, const ScaleOptions& options);

}  // namespace evenly
