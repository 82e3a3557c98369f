#include "batch_norm/batch_norm.h"

#include <cmath>
#include <type_traits>

#include "base/fp_environment.h"
#include "base/rounding.h"
#include "batch_norm/batch_passes.h"

namespace evenly {
namespace {

// Whether all centers were within four standard deviations of their means, so that sums about them
// lost no more than a few of their last bits. A channel's first value may be an outlier; its center
// is then moved to the mean for a second pass.
bool centers_are_close(int64_t channels, const double* shift, const double* variance,
                       double* center) {
  bool all = true;
  for (int64_t i = 0; i < channels; ++i) {
    bool fine = shift[i] * shift[i] <= 16 * variance[i];
    if (!fine && std::isfinite(shift[i])) center[i] += shift[i];
    all &= fine;
  }
  return all;
}

template <class T>
void forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps,
             ChannelStatistics statistics) {
  BatchPass<T> pass(batch);
  const T* x = static_cast<const T*>(batch.x);
  // The first value of each channel, so that the magnitude of what is summed depends on the spread,
  // not on the offset, and is exactly 0 for a constant channel.
  pass.center.resize(std::size_t(batch.channels));
  double* center = pass.center.data();
  for (int64_t c = 0; c < batch.channels; ++c) center[c] = to_number(x[c * batch.inner]);
  const ForwardAffine map(statistics, weight, bias, batch.channels);
  const double count = double(batch.values());
  pass.run([&](int64_t first, int64_t last, double* sums, double* products) {
    channel_kernels().to_moments(last - first, count, sums, products);
    statistics.set(first, last, !std::is_same_v<T, double>, center + first, sums, products, eps);
    pass.set_map(map, first, last);
    return centers_are_close(last - first, sums, products, center + first);
  });
}

template <class T>
void apply(const Batch& batch, PerChannel weight, PerChannel bias, ChannelStatistics statistics) {
  BatchPass<T> pass(batch);
  pass.set_map(ForwardAffine(statistics, weight, bias, batch.channels), 0, batch.channels);
  pass.map_memory_order();
}

template <class T>
void backward(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
              GradientSums sums, bool fixed) {
  BatchPass<T> pass(batch);
  pass.center.assign(statistics.high, statistics.high + batch.channels);
  if (fixed) pass.map_gradient_alone();
  const double count = fixed ? INFINITY : double(batch.values());
  const BackwardAffine map(statistics, weight, sums, count, batch.channels);
  pass.run([&](int64_t first, int64_t last, const double* own_sums, const double* products) {
    bool fine = true;
    for (int64_t c = first; c < last; ++c) {
      double sum = own_sums[c - first], product = products[c - first];
      sums.sum[c] = sum;
      sums.product[c] = product - statistics.low[c] * sum;
      fine &= (product - product == 0) & (sum - sum == 0);  // otherwise float32 may have overflowed
    }
    pass.set_map(map, first, last);
    return fine;
  });
}

template <class T>
void backward_apply(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                    GradientSums sums, double count) {
  BatchPass<T> pass(batch);
  pass.set_map(BackwardAffine(statistics, weight, sums, count, batch.channels), 0, batch.channels);
  pass.map_memory_order();
}

}  // namespace

std::vector<double> PerChannel::values(int64_t channels, double otherwise) const {
  std::vector<double> all(std::size_t(channels), otherwise);
  if (!data) return all;
  ScopedFpEnvironment fp_environment;
  with_floating_type(dtype, [&](auto* type) {
    auto* own = static_cast<decltype(type)>(data);
    if constexpr (std::is_same_v<decltype(type), float*>) {
      channel_kernels().widen(channels, own, all.data());
    } else {
      for (int64_t c = 0; c < channels; ++c) all[std::size_t(c)] = to_number(own[c]);
    }
  });
  return all;
}

void PerChannel::set(int64_t channels, const double* values) const {
  if (!data) return;
  ScopedFpEnvironment fp_environment;
  with_floating_type(dtype, [&](auto* type) {
    auto* own = static_cast<decltype(type)>(data);
    if constexpr (std::is_same_v<decltype(type), float*>) {
      channel_kernels().round(channels, values, own);
    } else {
      for (int64_t c = 0; c < channels; ++c) round_to(values[c], own[c]);
    }
  });
}

bool PerChannel::holds(double value) const {
  bool finite = true;
  ScopedFpEnvironment fp_environment;
  with_floating_type(dtype, [&](auto* type) {
    std::remove_pointer_t<decltype(type)> rounded;
    round_to(value, rounded);
    finite = std::isfinite(to_number(rounded));
  });
  return finite;
}

void ChannelStatistics::set(int64_t first, int64_t last, bool narrow, const double* mean,
                            const double* rest, const double* var, double eps) const {
  ScopedFpEnvironment fp_environment;
  channel_kernels().save(last - first, narrow, mean, rest, var, eps, from(first));
}

void batch_norm_forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps,
                        ChannelStatistics statistics) {
  ScopedFpEnvironment fp_environment;
  with_floating_type(batch.dtype, [&](auto* type) {
    forward<std::remove_pointer_t<decltype(type)>>(batch, weight, bias, eps, statistics);
  });
}

void batch_norm_apply(const Batch& batch, PerChannel weight, PerChannel bias,
                      ChannelStatistics statistics) {
  ScopedFpEnvironment fp_environment;
  with_floating_type(batch.dtype, [&](auto* type) {
    apply<std::remove_pointer_t<decltype(type)>>(batch, weight, bias, statistics);
  });
}

void batch_norm_backward(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                         GradientSums sums, bool fixed) {
  ScopedFpEnvironment fp_environment;
  with_floating_type(batch.dtype, [&](auto* type) {
    backward<std::remove_pointer_t<decltype(type)>>(batch, weight, statistics, sums, fixed);
  });
}

void batch_norm_backward_apply(const Batch& batch, PerChannel weight, ChannelStatistics statistics,
                               GradientSums sums, double count) {
  ScopedFpEnvironment fp_environment;
  with_floating_type(batch.dtype, [&](auto* type) {
    backward_apply<std::remove_pointer_t<decltype(type)>>(batch, weight, statistics, sums, count);
  });
}

bool batch_norm_move(int64_t channels, ChannelStatistics statistics, double count, double momentum,
                     bool skip_non_finite, PerChannel mean, PerChannel variance) {
  ScopedFpEnvironment fp_environment;
  const double unbiased = count / (count - 1);
  for (int64_t c = 0; skip_non_finite && c < channels; ++c) {
    if (!mean.holds(statistics.high[c]) || !variance.holds(statistics.variance[c] * unbiased))
      return false;
  }
  std::vector<double> means = mean.values(channels, 0), variances = variance.values(channels, 0);
  for (int64_t c = 0; c < channels; ++c) {
    std::size_t at = std::size_t(c);
    means[at] += momentum * (statistics.high[c] + statistics.low[c] - means[at]);
    variances[at] += momentum * (statistics.variance[c] * unbiased - variances[at]);
  }
  mean.set(channels, means.data());
  variance.set(channels, variances.data());
  return true;
}

}  // namespace evenly
