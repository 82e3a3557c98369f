#include "batch_norm.h"

#include <cmath>
#include <type_traits>

#include "batch_sweep.h"
#include "rounding.h"

namespace evenly {
namespace {

template <class F>
void with_floating_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kFloat16:
      return f((Half*)nullptr);
    case DType::kBfloat16:
      return f((Brain*)nullptr);
    case DType::kFloat32:
      return f((float*)nullptr);
    default:
      return f((double*)nullptr);
  }
}

template <class T>
double as_double(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    return double(x);
  } else {
    return double(to_float(x));
  }
}

template <class T>
void forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps, Saved saved) {
  Sweep<T> sweep(batch);
  const T* x = static_cast<const T*>(batch.x);
  // The first value of each channel: what is summed is then of the size of the spread, not of
  // the offset, and exactly 0 when the channel is constant.
  for (int64_t c = 0; c < batch.channels; ++c) sweep.center[c] = as_double(x[c * batch.inner]);
  const double count = double(batch.values());
  sweep.run([&](int64_t c, double sum, double product) {
    double shift = sum / count;
    double variance = std::max(product / count - shift * shift, 0.0);
    if (shift != shift || product != product) variance = NAN;
    saved.set(c, batch.dtype, sweep.center[c], shift, variance, eps);
    sweep.map_forward(c, saved, weight, bias);
  });
}

template <class T>
void apply(const Batch& batch, PerChannel weight, PerChannel bias, Saved saved) {
  Sweep<T> sweep(batch);
  for (int64_t c = 0; c < batch.channels; ++c) sweep.map_forward(c, saved, weight, bias);
  sweep.map();
}

template <class T>
void backward(const Batch& batch, PerChannel weight, Saved saved, GradientSums sums, bool fixed) {
  Sweep<T> sweep(batch);
  for (int64_t c = 0; c < batch.channels; ++c) sweep.center[c] = saved.high[c];
  const double count = double(batch.values());
  sweep.run([&](int64_t c, double sum, double product) {
    sums.sum[c] = sum;
    sums.product[c] = product - saved.low[c] * sum;
    sweep.map_backward(c, saved, weight, sums, fixed ? INFINITY : count);
  });
}

template <class T>
void backward_apply(const Batch& batch, PerChannel weight, Saved saved, GradientSums sums,
                    double count) {
  Sweep<T> sweep(batch);
  for (int64_t c = 0; c < batch.channels; ++c) sweep.map_backward(c, saved, weight, sums, count);
  sweep.map();
}

}  // namespace

double PerChannel::get(int64_t channel, double otherwise) const {
  if (!data) return otherwise;
  double value = 0;
  with_floating_type(
      dtype, [&](auto* type) { value = as_double(static_cast<decltype(type)>(data)[channel]); });
  return value;
}

void PerChannel::set(int64_t channel, double value) const {
  if (!data) return;
  with_floating_type(
      dtype, [&](auto* type) { round_to(value, static_cast<decltype(type)>(data)[channel]); });
}

void Saved::set(int64_t channel, DType dtype, double mean, double rest, double var,
                double eps) const {
  double whole = mean + rest;
  double rounded = dtype == DType::kFloat64 ? whole : double(float(whole));
  high[channel] = rounded;
  low[channel] = (mean - rounded) + rest;
  variance[channel] = var;
  inverse[channel] = 1 / std::sqrt(var + eps);
}

void batch_norm_forward(const Batch& batch, PerChannel weight, PerChannel bias, double eps,
                        Saved saved) {
  with_floating_type(batch.dtype, [&](auto* type) {
    forward<std::remove_pointer_t<decltype(type)>>(batch, weight, bias, eps, saved);
  });
}

void batch_norm_apply(const Batch& batch, PerChannel weight, PerChannel bias, Saved saved) {
  with_floating_type(batch.dtype, [&](auto* type) {
    apply<std::remove_pointer_t<decltype(type)>>(batch, weight, bias, saved);
  });
}

void batch_norm_backward(const Batch& batch, PerChannel weight, Saved saved, GradientSums sums,
                         bool fixed) {
  with_floating_type(batch.dtype, [&](auto* type) {
    backward<std::remove_pointer_t<decltype(type)>>(batch, weight, saved, sums, fixed);
  });
}

void batch_norm_backward_apply(const Batch& batch, PerChannel weight, Saved saved,
                               GradientSums sums, double count) {
  with_floating_type(batch.dtype, [&](auto* type) {
    backward_apply<std::remove_pointer_t<decltype(type)>>(batch, weight, saved, sums, count);
  });
}

bool batch_norm_move(int64_t channels, Saved saved, double count, double momentum,
                     bool skip_non_finite, PerChannel mean, PerChannel variance) {
  for (int64_t c = 0; skip_non_finite && c < channels; ++c) {
    if (!std::isfinite(saved.high[c]) || !std::isfinite(saved.variance[c])) return false;
  }
  const double unbiased = count / (count - 1);
  auto move = [momentum](PerChannel running, int64_t c, double value) {
    double old = running.get(c, 0);
    running.set(c, old + momentum * (value - old));
  };
  for (int64_t c = 0; c < channels; ++c) {
    move(mean, c, saved.high[c] + saved.low[c]);
    move(variance, c, saved.variance[c] * unbiased);
  }
  return true;
}

}  // namespace evenly
