// The kernels of batch normalization and their data: runs of one channel, or rows of channels, and
// the numbers of each channel.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/dtype.h"

namespace evenly {

inline constexpr int kMaxVectorValues = 16;  // values per vector of the widest kernel

// outer x channels runs of `length` contiguous values, at least one vector each.
struct Runs {
  int64_t outer, channels, length;
  int64_t outer_step, channel_step;  // in elements
};

// The sums of one channel, by lane.
struct alignas(64) LaneSums {
  double sum[kMaxVectorValues], product[kMaxVectorValues];
};

// out = (x - high) * slope + shift; backward, the gradient is added and the sum multiplied by gain.
// (A slope that includes the gain would overflow float32 for values beyond 1e19.) One value per
// channel or per column.
template <class T>
struct Affine {
  const ComputeType<T>*high, *slope, *shift, *gain;
  bool uncached;  // input and output are not in the caches of a core
  bool stream;    // write past the cache
};

// Where the numbers of an affine map are written.
template <class W>
struct AffineRows {
  W *high, *slope, *shift, *gain;
};

// The statistics of each channel. The mean is high + low; high has the precision in which values
// are mapped.
struct ChannelStatistics {
  double *high, *low, *variance, *inverse;  // inverse: 1 / sqrt(variance + eps)

  static ChannelStatistics in(double* four_rows, int64_t channels) {
    return {four_rows, four_rows + channels, four_rows + 2 * channels, four_rows + 3 * channels};
  }
  ChannelStatistics from(int64_t channel) const {
    return {high + channel, low + channel, variance + channel, inverse + channel};
  }
  // Sets channels [first, last) from their means, given as sums of two numbers, of which the first
  // may be far larger. `narrow`: values are mapped in float32.
  void set(int64_t first, int64_t last, bool narrow, const double* mean, const double* rest,
           const double* var, double eps) const;
};

// `gradient` is null in the forward direction. Rows have at least one vector of columns. Sums are
// float64; unless `wide`, a few values at a time are summed in float32. `uncached` rows are
// prefetched, unless they are long.
template <class T>
struct BatchKernels {
  int vector_values;
  void (*sum_runs)(const T* x, const T* gradient, const Runs&, const double* center, LaneSums*,
                   bool wide);
  void (*sum_rows)(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
                   bool uncached, const double* center, double* sum, double* product, bool wide);
  void (*map_runs)(const T* x, const T* gradient, T* out, const Runs&, const Affine<T>&);
  void (*map_rows)(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride,
                   int64_t width, const Affine<T>&);
  // The affine maps: (x - mean) * inverse * weight + bias, and the gradient of x from the sums of
  // the gradient and of its product with x - mean (see GradientSums).
  void (*forward_map)(int64_t channels, const ChannelStatistics&, const double* weight,
                      const double* bias, const AffineRows<ComputeType<T>>&);
  void (*backward_map)(int64_t channels, const ChannelStatistics&, const double* weight,
                       const double* sum, const double* product, double count,
                       const AffineRows<ComputeType<T>>&);
};

// The kernels that do not depend on the dtype.
struct ChannelKernels {
  void (*widen)(int64_t channels, const float* from, double* to);
  void (*round)(int64_t channels, const double* from, float* to);
  // Converts sums about a center into the mean's distance from the center, and sums of squares into
  // variances.
  void (*to_moments)(int64_t channels, double count, double* sums, double* squares);
  void (*save)(int64_t channels, bool narrow, const double* mean, const double* rest,
               const double* var, double eps, const ChannelStatistics&);
};
const ChannelKernels& channel_kernels();

// The kernels of the selected instruction set (kernels/dispatch.cc).
template <class T>
const BatchKernels<T>& batch_kernels();
template <>
const BatchKernels<Float16>& batch_kernels();
template <>
const BatchKernels<BFloat16>& batch_kernels();
template <>
const BatchKernels<float>& batch_kernels();
template <>
const BatchKernels<double>& batch_kernels();

}  // namespace evenly
