// Sums a single lane of which a window holds all but a few values.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "sum/exponent_window.h"
#include "sum/float_kernels.h"

namespace evenly {

// The values of one lane of a tile: those inside a window (stored as rows of lanes that share that
// window), and the others.
template <class T>
struct OutlierLane {
  using C = ComputeType<T>;
  using Bits = typename Window<C>::Bits;
  static constexpr int kCount = kLanes<C>;
  static constexpr int kMaxOutside = 8;

  T inside[kTileRows + kCount];
  C outside[kMaxOutside];
  int num_outside, rows;
  FloatLanes<C> lanes{};
  FloatSums<C> sums;
  int top = std::numeric_limits<int>::min();

  // Splits the values, without NaN. Returns false if more than kMaxOutside are outside.
  bool split(const T* data, ptrdiff_t stride, int count, int new_top) {
    if (top != new_top) set_windows(lanes, top = new_top);
    int in = num_outside = 0;
    for (int r = 0; r < count; ++r, data += stride) {
      C x = C(to_number(*data));
      Bits bits = std::bit_cast<Bits>(x);
      if (x != x) continue;
      if (std::abs(x) <= lanes.largest[0] && Bits(bits + bits - 1) >= lanes.smallest[0]) {
        inside[in++] = *data;
      } else {
        if (num_outside == kMaxOutside) return false;
        outside[num_outside++] = x;
      }
    }
    rows = (in + kCount - 1) / kCount;
    std::fill_n(inside + in, rows * kCount - in, T{});
    return true;
  }
  // Adds the values inside to the parts of all lanes.
  void sum(const Kernels& kernels) {
    start_kernel<C>(kernels)(lanes, false, sums);
    rows_kernel<T>(kernels)(inside, kCount, rows, nullptr, false, sums);
    finish_kernel<C>(kernels)(sums, (LaneMask(1) << kCount) - 1, false, lanes);
  }
};

}  // namespace evenly
