// What the kernels of batch normalisation work on: runs of one channel, or rows of channels.
#pragma once

#include <cstdint>
#include <type_traits>

#include "dtype.h"

namespace evenly {

inline constexpr int kMaxUnit = 16;  // values that the widest kernel takes at once

// What values are mapped in: float32, but float64 for float64.
template <class T>
using Work = std::conditional_t<std::is_same_v<T, double>, double, float>;

// outer x channels runs of `length` contiguous values, at least a unit each.
struct Runs {
  int64_t outer, channels, length;
  int64_t outer_step, channel_step;  // in elements
};

// A channel's sums, still apart by lane.
struct alignas(64) LaneSums {
  double sum[kMaxUnit], product[kMaxUnit];
};

// out = (x - high) * slope + shift; backward, that plus the gradient, times gain (a slope with the
// gain in it would leave float32 where values beyond 1e19 have a variance). One value a channel, or
// a column.
template <class T>
struct Affine {
  const Work<T>*high, *slope, *shift, *gain;
  bool stream;  // write past the cache
};

// `gradient` is null in the forward direction. Rows have at least a unit of columns. Sums are
// float64, of a few values in float32 each unless they are `wide`.
template <class T>
struct BatchKernels {
  int unit;
  void (*sum_runs)(const T* x, const T* gradient, const Runs&, const double* center, LaneSums*,
                   bool wide);
  void (*sum_rows)(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
                   const double* center, double* sum, double* product, bool wide);
  void (*map_runs)(const T* x, const T* gradient, T* out, const Runs&, const Affine<T>&);
  void (*map_rows)(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride,
                   int64_t width, const Affine<T>&);
};

// The chosen instruction set's (see kernels.cc).
template <class T>
const BatchKernels<T>& batch_kernels();
template <>
const BatchKernels<Half>& batch_kernels();
template <>
const BatchKernels<Brain>& batch_kernels();
template <>
const BatchKernels<float>& batch_kernels();
template <>
const BatchKernels<double>& batch_kernels();

}  // namespace evenly
