// The per-channel computations of batch normalization. They matter for batches late in a
// convolutional network, with thousands of channels and few values in each.
//
// Each number is computed as written, whatever the register width: every instruction set gives the
// same bits.
#pragma once

#include <cmath>

#include "batch_norm/kernel_table.h"

namespace evenly {
namespace {
namespace channel {

inline void widen(int64_t count, const float* __restrict from, double* __restrict to) {
  for (int64_t c = 0; c < count; ++c) to[c] = double(from[c]);
}
inline void round(int64_t count, const double* __restrict from, float* __restrict to) {
  for (int64_t c = 0; c < count; ++c) to[c] = float(from[c]);
}

inline void to_moments(int64_t count, double values, double* __restrict sums,
                       double* __restrict squares) {
  const double share = 1 / values;
  for (int64_t c = 0; c < count; ++c) {
    double shift = sums[c] * share, square = squares[c] * share;
    double rest = square - square, variance = square - shift * shift;
    sums[c] = shift;
    squares[c] = rest < variance ? variance : rest;  // NaN if not finite
  }
}

template <class W>
void save_as(int64_t count, const double* __restrict mean, const double* __restrict rest,
             const double* __restrict var, double eps, const ChannelStatistics& statistics) {
  double* __restrict high = statistics.high, * __restrict low = statistics.low;
  double* __restrict variance = statistics.variance, * __restrict inverse = statistics.inverse;
  for (int64_t c = 0; c < count; ++c) {
    double rounded = double(W(mean[c] + rest[c]));
    high[c] = rounded;
    low[c] = (mean[c] - rounded) + rest[c];
    variance[c] = var[c];
    inverse[c] = 1 / std::sqrt(var[c] + eps);
  }
}
inline void save(int64_t count, bool narrow, const double* mean, const double* rest,
                 const double* var, double eps, const ChannelStatistics& statistics) {
  narrow ? save_as<float>(count, mean, rest, var, eps, statistics)
         : save_as<double>(count, mean, rest, var, eps, statistics);
}

// Replaces a NaN by one whose low bits are 0, so that rounding to bfloat16 keeps it a NaN.
template <class W>
inline W quiet(double value) {
  W rounded = W(value);
  return rounded == rounded ? rounded : W(NAN);
}

template <class W>
void forward_map(int64_t count, const ChannelStatistics& statistics,
                 const double* __restrict weight, const double* __restrict bias,
                 const AffineRows<W>& map) {
  const double* __restrict mean = statistics.high, * __restrict low = statistics.low;
  const double* __restrict inverse = statistics.inverse;
  W* __restrict high = map.high, * __restrict slope = map.slope, * __restrict shift = map.shift;
  for (int64_t c = 0; c < count; ++c) {
    double factor = inverse[c] * weight[c];
    high[c] = quiet<W>(mean[c]);
    slope[c] = quiet<W>(factor);
    shift[c] = quiet<W>(bias[c] - low[c] * factor);
  }
}

template <class W>
void backward_map(int64_t count, const ChannelStatistics& statistics,
                  const double* __restrict weight, const double* __restrict sum,
                  const double* __restrict product, double values, const AffineRows<W>& map) {
  const double* __restrict mean = statistics.high, * __restrict low = statistics.low;
  const double* __restrict inverse = statistics.inverse;
  W* __restrict high = map.high, * __restrict slope = map.slope;
  W* __restrict shift = map.shift, * __restrict gain = map.gain;
  const double share = 1 / values;
  for (int64_t c = 0; c < count; ++c) {
    double factor = -inverse[c] * inverse[c] * (product[c] * share);
    high[c] = quiet<W>(mean[c]);
    slope[c] = quiet<W>(factor);
    shift[c] = quiet<W>(-sum[c] * share - factor * low[c]);
    gain[c] = quiet<W>(inverse[c] * weight[c]);
  }
}

}  // namespace channel

constexpr ChannelKernels make_channel_kernels() {
  return {channel::widen, channel::round, channel::to_moments, channel::save};
}

}  // namespace
}  // namespace evenly
