// Batch normalization: statistics of a batch, normalized values, and their gradients.
//
// Statistics are float64, summed in an order that depends on the shape only, so that any number of
// threads gives the same bits.
#pragma once

#include <vector>

#include "base/dtype.h"
#include "batch_norm/kernel_table.h"

namespace evenly {

// A batch of shape (outer, channels, inner) in C order; rows of channels have inner = 1. All arrays
// have this shape and dtype, no dimension is 0, and `out` does not overlap the others.
struct Batch {
  const void* x;
  const void* gradient;  // of the output; null in the forward direction
  void* out;             // the output, or the gradient of x; null to compute sums only
  DType dtype;           // a floating-point type
  int64_t outer, channels, inner;
  int threads;  // 0: default_threads()

  int64_t values() const { return outer * inner; }  // per channel
};

// One value per channel, of a floating-point type; null if absent.
struct PerChannel {
  void* data;
  DType dtype;

  std::vector<double> values(int64_t channels, double otherwise) const;
  void set(int64_t channels, const double* values) const;
  bool holds(double value) const;  // whether it is finite in this type
};

// Computes the statistics, and normalizes into batch.out unless that is null.
void batch_norm_forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps,
                        ChannelStatistics statistics);
// Normalizes with the given statistics.
void batch_norm_apply(const Batch& batch, PerChannel weight, PerChannel bias,
                      ChannelStatistics statistics);

// The backward sums of each channel: the gradient, and gradient * (x - mean). They give the
// gradients of bias and weight, and that of x:
//   gain * (gradient - sum / count - (x - mean) * inverse^2 * product / count).
struct GradientSums {
  double *sum, *product;
};
// Computes the sums, and writes the gradient of x into batch.out unless that is null. With `fixed`
// statistics (as in evaluation), which do not depend on x, its gradient is gain * gradient.
void batch_norm_backward(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                         GradientSums sums, bool fixed);
// The gradient of x, from sums over `count` values per channel.
void batch_norm_backward_apply(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                               GradientSums sums, double count);

// Updates running statistics: r + momentum * (new - r), in float64, rounded once; the batch
// variance is multiplied by count / (count - 1). With `skip_non_finite`, nothing changes if the
// statistics of any channel are not finite. Returns whether they were updated.
bool batch_norm_move(int64_t channels, ChannelStatistics statistics, double count, double momentum,
                     bool skip_non_finite, PerChannel mean, PerChannel variance);

}  // namespace evenly
