// The places of values in a window of counts.
#pragma once

#include <cstdint>

namespace evenly {

// A range of magnitudes of both signs, at a shift of at least that of the histogram. It contains
// only values whose bits between both shifts, those of the mask, are 0; and only finite ones.
struct BinWindow {
  int shift = 0;
  uint64_t mask = 0, base = 0, size = 0;

  // The number of counts: see WindowIndices.
  int64_t counts() const { return 2 * int64_t(size) + 3; }
};

// Sets indices[i] to the index of the count of values[i]: twice the place of its magnitude in the
// window, plus the sign. After the window follow the counts of other values, of zeros outside of
// the window, and of infinities and NaN: these are frequent, and known without a second look.
using WindowIndices = void (*)(const double* values, int64_t count, const BinWindow& window,
                               uint32_t* indices);

// The function for the kernels in use.
WindowIndices window_indices();

}  // namespace evenly
