// A batch in guarded memory, and checks of batch normalization against long double.
//
// The bound of each check follows from the roundings of the core: in T, the batch's type, in
// ComputeType<T>, in which values are mapped, and in float64. Outputs and gradients are compared
// with those of the core's own statistics and sums, which have separate checks.
#pragma once

#include <cmath>
#include <string>

#include "batch_norm/batch_norm.h"
#include "batch_norm/kernel_table.h"
#include "tests/arrays.h"
#include "tests/check.h"

namespace evenly::testing {

using Real = long double;

// The largest relative rounding error, and the smallest positive number.
template <class T>
Real roundoff() {
  return std::ldexp(Real(1), -Range<T>::kMantissa);
}
template <class T>
Real smallest() {
  return std::ldexp(Real(1), Range<T>::kLowest - Range<T>::kMantissa + 1);
}

// The smallest magnitude that rounds to infinity: the largest number plus half of its last place.
template <class T>
Real overflow() {
  return std::ldexp(2 - std::ldexp(Real(1), -Range<T>::kMantissa), Range<T>::kHighest);
}

// The error of a channel's sum over `count` values, relative to the sum of magnitudes: float32 sums
// of at most 17 values, each rounded once or twice before, then float64 sums.
template <class T>
Real sum_roundoff(int64_t count) {
  Real narrow = std::is_same_v<T, double> ? 0 : 20 * roundoff<float>();
  return narrow + Real(count + 20) * roundoff<double>();
}

template <class T>
constexpr DType kDTypeOf = std::is_same_v<T, Float16>    ? DType::kFloat16
                           : std::is_same_v<T, BFloat16> ? DType::kBfloat16
                           : std::is_same_v<T, float>    ? DType::kFloat32
                                                         : DType::kFloat64;

struct Shape {
  int64_t outer, channels, inner;

  int64_t values() const { return outer * inner; }
};

template <class T>
struct BatchCase {
  Shape shape;
  TestArray x, gradient, out;
  TestArray weight, bias;                  // of T or of ComputeType<T>
  TestArray statistics_array, sums_array;  // four and two float64 per channel
  bool affine;
  double eps = 1e-5;

  // Each channel has its own mean and spread.
  BatchCase(Random& random, Shape of, Edge edge)
      : shape(of),
        x(array_of_values(random.one_of({Edge::kBegin, Edge::kEnd}))),
        gradient(array_of_values(random.one_of({Edge::kBegin, Edge::kEnd}))),
        out(array_of_values(edge)),
        weight(random.one_in(2) ? kDTypeOf<T> : kDTypeOf<ComputeType<T>>, per_channel(1), edge),
        bias(weight.array().dtype, per_channel(1), edge),
        statistics_array(DType::kFloat64, per_channel(4), edge),
        sums_array(DType::kFloat64, per_channel(2), edge),
        affine(!random.one_in(4)) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      double offset = double(random.between(-20, 20));
      double spread = std::ldexp(1.0, int(random.between(-2, 2)));
      set(weight, c, double(random.between(-8, 8)) / 4);
      set(bias, c, double(random.between(-8, 8)) / 2);
      each(c, [&](int64_t i) {
        round_to(offset + spread * noise(random), x.data<T>()[i]);
        round_to(0.25 + noise(random), gradient.data<T>()[i]);
      });
    }
  }

  Batch forward_batch(int threads = 2) const {
    return {x.data<void>(), nullptr,        out.data<void>(), kDTypeOf<T>,
            shape.outer,    shape.channels, shape.inner,      threads};
  }
  Batch backward_batch(int threads = 2) const {
    Batch batch = forward_batch(threads);
    batch.gradient = gradient.data<void>();
    return batch;
  }
  PerChannel parameter(const TestArray& array) const {
    return {array.data<void>(), dtype_of(array)};
  }
  PerChannel weights() const { return affine ? parameter(weight) : PerChannel{}; }
  PerChannel biases() const { return affine ? parameter(bias) : PerChannel{}; }
  ChannelStatistics statistics() const {
    return ChannelStatistics::in(statistics_array.data<double>(), shape.channels);
  }
  GradientSums sums() const {
    return {sums_array.data<double>(), sums_array.data<double>() + shape.channels};
  }
  void forward(int threads = 2) const {
    batch_norm_forward(forward_batch(threads), weights(), biases(), eps, statistics());
  }
  void backward(int threads = 2, bool fixed = false) const {
    batch_norm_backward(backward_batch(threads), weights(), statistics(), sums(), fixed);
  }
  // Sets statistics other than the batch's own.
  void set_statistics(Random& random) const {
    for (int64_t c = 0; c < shape.channels; ++c) {
      double mean = double(random.between(-99, 99)) / 7, rest = mean * 1e-9;
      double variance = double(random.between(1, 99)) / 9;
      statistics().set(c, c + 1, sizeof(ComputeType<T>) == 4, &mean, &rest, &variance, eps);
    }
  }
  void set_sums(Random& random) const {
    for (int64_t i = 0; i < 2 * shape.channels; ++i)
      sums_array.data<double>()[i] = noise(random) * double(shape.values());
  }

  // Calls f(index) for each value of a channel.
  template <class F>
  void each(int64_t channel, F&& f) const {
    for (int64_t n = 0; n < shape.outer; ++n) {
      for (int64_t i = 0; i < shape.inner; ++i) f((n * shape.channels + channel) * shape.inner + i);
    }
  }
  static void put(const TestArray& array, int64_t i, double to) {
    round_to(to, array.data<T>()[i]);
  }
  static Real value(const TestArray& array, int64_t i) {
    return Real(to_number(array.data<T>()[i]));
  }
  static Real value_of_channel(const TestArray& array, int64_t c) {
    return dtype_of(array) == kDTypeOf<T> ? value(array, c) : Real(array.data<ComputeType<T>>()[c]);
  }
  Real parameter_roundoff() const {
    return dtype_of(weight) == kDTypeOf<T> ? roundoff<T>() : roundoff<ComputeType<T>>();
  }
  Real gain(int64_t c) const {
    return statistics().inverse[c] * (affine ? value_of_channel(weight, c) : 1);
  }
  std::string text() const {
    return std::string(name_of(kDTypeOf<T>)) + ", shape " + std::to_string(shape.outer) + " " +
           std::to_string(shape.channels) + " " + std::to_string(shape.inner);
  }
  std::string text(int64_t c) const { return text() + ", channel " + std::to_string(c); }

  void check_statistics(int64_t c) const {
    const Real first = value(x, c * shape.inner), count = Real(shape.values());
    Real sum = 0, about_first = 0, squares = 0;
    each(c, [&](int64_t i) {
      sum += value(x, i) - first;
      about_first += (value(x, i) - first) * (value(x, i) - first) / count;
    });
    const Real mean = first + sum / count;
    each(c, [&](int64_t i) { squares += (value(x, i) - mean) * (value(x, i) - mean); });
    const Real variance = squares / count;
    // Sums are about the first value or, if that is beyond four standard deviations, about the
    // mean.
    const Real reach = std::min(about_first, 20 * variance);
    const Real error = sum_roundoff<T>(shape.values());
    const ChannelStatistics own = statistics();
    CHECK(std::abs(Real(own.high[c]) + own.low[c] - mean) <=
              error * std::sqrt(reach) + 2 * roundoff<double>() * std::abs(mean),
          text(c));
    CHECK(std::abs(own.variance[c] - variance) <= 4 * error * reach, text(c));
    const Real inverse = 1 / std::sqrt(own.variance[c] + Real(eps));
    CHECK(std::abs(own.inverse[c] - inverse) <= 4 * roundoff<double>() * inverse, text(c));
  }

  void check_outputs(int64_t c) const {
    const Real high = statistics().high[c], low = statistics().low[c], slope = gain(c);
    const Real shift = affine ? value_of_channel(bias, c) : 0;
    each(c, [&](int64_t i) {
      Real distance = value(x, i) - high, expected = (distance - low) * slope + shift;
      check_value(c, i, expected,
                  std::abs(slope * distance) + std::abs(slope * low) + std::abs(shift));
    });
  }

  void check_sums(int64_t c) const {
    const Real high = statistics().high[c], low = statistics().low[c];
    Real sum = 0, product = 0, magnitude = 0, of_products = 0;
    each(c, [&](int64_t i) {
      Real g = value(gradient, i), distance = value(x, i) - high;
      sum += g;
      product += g * (distance - low);
      magnitude += std::abs(g);
      of_products += std::abs(g * distance);
    });
    const Real error = sum_roundoff<T>(shape.values());
    CHECK(std::abs(sums().sum[c] - sum) <= error * magnitude, text(c));
    CHECK(
        std::abs(sums().product[c] - product) <= error * (of_products + std::abs(low) * magnitude),
        text(c));
  }

  void check_gradients(int64_t c, Real count) const {
    const Real high = statistics().high[c], low = statistics().low[c],
               inverse = statistics().inverse[c];
    const Real per_value = gain(c) * sums().sum[c] / count;
    const Real slope = gain(c) * inverse * inverse * sums().product[c] / count;
    each(c, [&](int64_t i) {
      Real distance = value(x, i) - high, own = gain(c) * value(gradient, i);
      check_value(
          c, i, own - per_value - (distance - low) * slope,
          std::abs(own) + std::abs(per_value) + std::abs(distance * slope) + std::abs(low * slope));
    });
  }
  void check_fixed_gradients(int64_t c) const {
    each(c, [&](int64_t i) {
      Real own = gain(c) * value(gradient, i);
      check_value(c, i, own, std::abs(own));
    });
  }

 private:
  static DType dtype_of(const TestArray& array) { return array.array().dtype; }
  static double noise(Random& random) {  // in (-2, 2), with a triangular distribution
    uint64_t bits = random.bits();
    return (double(uint32_t(bits)) + double(uint32_t(bits >> 32)) - 0x1p32) * 0x1p-31;
  }
  TestArray array_of_values(Edge edge) const {
    return {kDTypeOf<T>, contiguous({shape.outer, shape.channels, shape.inner}, 1), edge};
  }
  Layout per_channel(int64_t values) const { return contiguous({values * shape.channels}, -1); }
  static void set(const TestArray& array, int64_t c, double to) {
    if (dtype_of(array) == kDTypeOf<T>) return put(array, c, to);
    array.data<ComputeType<T>>()[c] = ComputeType<T>(to);
  }
  static std::string digits(Real x) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12Lg", x);
    return text;
  }
  // `parts`: the sum of the magnitudes of the terms.
  void check_value(int64_t c, int64_t i, Real expected, Real parts) const {
    const Real found = value(out, i);
    const Real bound = 6 * roundoff<ComputeType<T>>() * parts + roundoff<T>() * std::abs(expected) +
                       smallest<T>() + 4 * smallest<ComputeType<T>>();
    const bool overflows = std::abs(expected) + bound >= overflow<T>() &&
                           found == std::copysign(Real(INFINITY), expected);
    CHECK(overflows || std::abs(found - expected) <= bound,
          text(c) + ", value " + std::to_string(i) + ": " + digits(found) + " instead of " +
              digits(expected));
  }
};

}  // namespace evenly::testing
