// Batch normalisation: a batch's statistics, its normalised values, and the gradient of both.
//
// Statistics are float64, summed in an order that depends on the shape alone: the same bits for
// any number of threads.
#pragma once

#include <vector>

#include "base/dtype.h"
#include "batch_norm/kernel_table.h"

namespace evenly {

// A batch of shape (outer, channels, inner) in C order; rows of channels have inner = 1. All
// arrays have this shape and dtype; none of its dimensions is 0, and out is apart from the others.
struct Batch {
  const void* x;
  const void* gradient;  // of the output; null in the forward direction
  void* out;             // the output, or the gradient of x; null: only sums are wanted
  DType dtype;           // a floating one
  int64_t outer, channels, inner;
  int threads;  // 0: default_threads()

  int64_t values() const { return outer * inner; }  // of a channel
};

// One value a channel, of a floating type; null for none.
struct PerChannel {
  void* data;
  DType dtype;

  std::vector<double> values(int64_t channels, double otherwise) const;
  void set(int64_t channels, const double* values) const;
  bool holds(double value) const;  // whether it is finite, and still is in this type
};

// Takes the statistics, and normalises into batch.out unless that is null.
void batch_norm_forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps,
                        ChannelStatistics statistics);
// Normalises with the statistics that are saved.
void batch_norm_apply(const Batch& batch, PerChannel weight, PerChannel bias,
                      ChannelStatistics statistics);

// Backward sums, for each channel, the gradient and gradient * (x - mean); from them come the
// gradients of bias and weight, and that of x:
//   gain * (gradient - sum / count - (x - mean) * inverse^2 * product / count).
struct GradientSums {
  double *sum, *product;
};
// Sums, and writes the gradient of x into batch.out unless that is null. With `fixed` statistics
// (those of evaluation) they do not depend on x: its gradient is gain * gradient.
void batch_norm_backward(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                         GradientSums sums, bool fixed);
// The gradient of x from sums over `count` values a channel.
void batch_norm_backward_apply(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                               GradientSums sums, double count);

// Moves running statistics towards a batch's: r + momentum (new - r), in float64, rounded once;
// the variance's with count / (count - 1). With `skip_non_finite`, not if any channel's are not
// finite; returns whether they were moved.
bool batch_norm_move(int64_t channels, ChannelStatistics statistics, double count, double momentum,
                     bool skip_non_finite, PerChannel mean, PerChannel variance);

}  // namespace evenly
