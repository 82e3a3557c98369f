// Batch normalization with the kernel named by EVENLY_KERNEL.
#include <cfenv>
#include <cstring>

#include "base/fp_environment.h"
#include "tests/batch_case.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

template <class F>
void for_each_type(F&& f) {
  f(Float16{});
  f(BFloat16{});
  f(float{});
  f(double{});
}

// Extents near the number of values in a register; sometimes one of them is far larger.
Shape any_shape(Random& random) {
  auto extent = [&] {
    return random.one_in(4) ? random.one_of<int64_t>({1, 2, 4, 8, 16, 32, 48, 64})
                            : random.between(1, 40);
  };
  Shape shape{extent(), extent(), random.one_in(3) ? 1 : extent()};
  int64_t* each[] = {&shape.outer, &shape.channels, &shape.inner};
  if (!random.one_in(6)) return shape;
  for (int64_t* one : each) *one = std::min<int64_t>(*one, 6);
  *each[random.below(3)] = random.between(300, 3000);
  return shape;
}

Edge any_edge(Random& random) { return random.one_of({Edge::kBegin, Edge::kEnd}); }

// Calls f(case, random) for batches of every type and many shapes.
template <class F>
void for_each_case(int64_t count, F&& f) {
  Random random(seed());
  for_each_type([&]<class T>(T) {
    for (int64_t run = 0; run < portion(count); ++run)
      f(BatchCase<T>(random, any_shape(random), any_edge(random)), random);
  });
}

// Whether a case is among the EVENLY_TEST_PORTION percent that are run.
bool is_in_portion(Random& random) { return random.below(100) < portion(100); }

// Calls f(channel) for all channels, or for some of them if EVENLY_TEST_PORTION is below 100.
template <class F>
void for_each_channel(const Shape& shape, F&& f) {
  for (int64_t c = 0; c < shape.channels; c += 100 / portion(100)) f(c);
}

// Checks all results of forward and backward.
template <class T>
void check_both_ways(BatchCase<T>& one) {
  one.forward();
  for_each_channel(one.shape, [&](int64_t c) {
    one.check_statistics(c);
    one.check_outputs(c);
  });
  one.backward();
  for_each_channel(one.shape, [&](int64_t c) {
    one.check_sums(c);
    one.check_gradients(c, Real(one.shape.values()));
  });
}

std::vector<char> bytes_of(const TestArray& array) {
  return {array.memory(), array.memory() + array.bytes()};
}
bool holds(const TestArray& array, const std::vector<char>& bytes) {
  return std::memcmp(array.memory(), bytes.data(), bytes.size()) == 0;
}

// Shapes that take different paths: a group of channels at a time, chunks of samples, pieces of
// runs; rows at once, in chunks, in strips, several at a time, with a remainder.
constexpr Shape kShapesOfEveryPath[] = {{40, 64, 500},  {20, 6, 9000}, {3, 2, 90001},
                                        {2, 1, 300007}, {64, 90, 3},   {5000, 64, 1},
                                        {90, 2100, 1},  {40011, 10, 1}};

}  // namespace

TEST(statistics_and_outputs_of_any_shape) {
  for_each_case(150, [](const auto& one, Random& random) {
    one.forward(int(random.between(1, 4)));
    for_each_channel(one.shape, [&](int64_t c) {
      one.check_statistics(c);
      one.check_outputs(c);
    });
  });
}

TEST(outputs_with_given_statistics) {
  for_each_case(60, [](const auto& one, Random& random) {
    one.set_statistics(random);
    batch_norm_apply(one.forward_batch(), one.weights(), one.biases(), one.statistics());
    for_each_channel(one.shape, [&](int64_t c) { one.check_outputs(c); });
  });
}

TEST(gradients_of_any_shape) {
  for_each_case(150, [](const auto& one, Random& random) {
    one.set_statistics(random);
    one.backward(int(random.between(1, 4)));
    for_each_channel(one.shape, [&](int64_t c) {
      one.check_sums(c);
      one.check_gradients(c, Real(one.shape.values()));
    });
  });
}

TEST(gradients_from_given_sums) {
  for_each_case(60, [](const auto& one, Random& random) {
    double count = double(one.shape.values() * random.between(1, 5));
    one.set_statistics(random);
    one.set_sums(random);
    batch_norm_backward_apply(one.backward_batch(), one.weights(), one.statistics(), one.sums(),
                              count);
    for_each_channel(one.shape, [&](int64_t c) { one.check_gradients(c, count); });
  });
}

TEST(gradients_of_fixed_statistics_do_not_depend_on_x) {
  for_each_case(60, [](const auto& one, Random& random) {
    one.set_statistics(random);
    one.backward(2, true);
    for_each_channel(one.shape, [&](int64_t c) {
      one.check_sums(c);
      one.check_fixed_gradients(c);
    });
    for (double value : {double(NAN), double(INFINITY)}) {
      one.put(one.x, random.below(one.x.layout().elements()), value);
      one.backward(2, true);
      for_each_channel(one.shape, [&](int64_t c) { one.check_fixed_gradients(c); });
    }
  });
}

TEST(every_way_to_split_a_batch) {
  Random random(seed());
  for (const Shape& shape : kShapesOfEveryPath) {
    for_each_type([&]<class T>(T) {
      if (!is_in_portion(random)) return;
      BatchCase<T> one(random, shape, any_edge(random));
      check_both_ways(one);
    });
  }
}

TEST(any_number_of_threads_gives_the_same_bits) {
  Random random(seed());
  for (const Shape& shape : kShapesOfEveryPath) {
    for_each_type([&]<class T>(T) {
      if (!is_in_portion(random)) return;
      BatchCase<T> one(random, shape, Edge::kEnd);
      std::vector<char> statistics_array, out, sums_array, gradient;
      for (int threads : {1, 2, 3, 7}) {
        one.forward(threads);
        if (threads == 1)
          statistics_array = bytes_of(one.statistics_array), out = bytes_of(one.out);
        CHECK(holds(one.statistics_array, statistics_array) && holds(one.out, out), one.text());
        one.backward(threads);
        if (threads == 1) sums_array = bytes_of(one.sums_array), gradient = bytes_of(one.out);
        CHECK(holds(one.sums_array, sums_array) && holds(one.out, gradient), one.text());
      }
    });
  }
}

// At least 8 MiB: whole cache lines, and starts and widths that are not aligned.
TEST(large_outputs_written_past_the_cache) {
  Random random(seed());
  for_each_type([&]<class T>(T) {
    int64_t values = (8 << 20) / int64_t(sizeof(T));
    int64_t run = random.between(1 << 10, 2 << 10) / int64_t(sizeof(T));
    for (const Shape& shape :
         {Shape{3, 7, values / 21 + 1}, Shape{values / (12 * run) + 1, 12, run},
          Shape{values / 64 + 3, 64, 1}, Shape{values / 67 + 1, 67, 1},
          Shape{values / 24 + 1, 8, 3}}) {
      if (!is_in_portion(random)) continue;
      BatchCase<T> one(random, shape, any_edge(random));
      one.set_statistics(random);
      if (random.one_in(2)) {
        batch_norm_apply(one.forward_batch(), one.weights(), one.biases(), one.statistics());
        for_each_channel(shape, [&](int64_t c) { one.check_outputs(c); });
      } else {
        one.set_sums(random);
        double count = double(shape.values());
        batch_norm_backward_apply(one.backward_batch(), one.weights(), one.statistics(), one.sums(),
                                  count);
        for_each_channel(shape, [&](int64_t c) { one.check_gradients(c, count); });
      }
    }
  });
}

TEST(null_output_computes_the_same_sums_and_writes_nothing) {
  for_each_case(30, [](const auto& one, Random&) {
    Batch forward = one.forward_batch(), backward = one.backward_batch();
    forward.out = backward.out = nullptr;
    const std::vector<char> before = bytes_of(one.out);
    batch_norm_forward(forward, {}, {}, one.eps, one.statistics());
    batch_norm_backward(backward, {}, one.statistics(), one.sums(), false);
    CHECK(holds(one.out, before), one.text());
    const std::vector<char> statistics_array = bytes_of(one.statistics_array),
                            sums_array = bytes_of(one.sums_array);
    one.forward();
    one.backward();
    CHECK(holds(one.statistics_array, statistics_array) && holds(one.sums_array, sums_array),
          one.text());
  });
}

TEST(constant_channels_equal_their_bias) {
  for_each_case(40, [](const auto& one, Random&) {
    for_each_channel(
        one.shape, [&](int64_t c) { one.each(c, [&](int64_t i) { one.put(one.x, i, 1234.1); }); });
    one.forward();
    for_each_channel(one.shape, [&](int64_t c) {
      Real bias = one.affine ? one.value_of_channel(one.bias, c) : 0;
      CHECK(one.statistics().variance[c] == 0, one.text(c));
      one.each(c, [&](int64_t i) { CHECK(one.value(one.out, i) == bias, one.text(c)); });
    });
  });
}

// Sums are about a channel's first value, which may be an outlier.
TEST(outlier_as_first_value_loses_no_accuracy) {
  for_each_case(60, [](const auto& one, Random& random) {
    for_each_channel(one.shape, [&](int64_t c) {
      if (random.one_in(2)) one.put(one.x, c * one.shape.inner, 60000);
    });
    one.forward();
    for_each_channel(one.shape, [&](int64_t c) {
      one.check_statistics(c);
      one.check_outputs(c);
    });
  });
}

TEST(squares_that_overflow_float32) {
  Random random(seed());
  for (const Shape& shape : {Shape{30, 20, 1}, Shape{5, 7, 40}, Shape{5000, 9, 5}}) {
    BatchCase<float> one(random, shape, Edge::kEnd);
    float* x = one.x.data<float>();
    for (int64_t i = 0; i < one.x.layout().elements(); ++i) x[i] *= 1e28f;
    check_both_ways(one);
  }
}

TEST(gradients_whose_float32_sums_overflow) {
  Random random(seed());
  BatchCase<float> one(random, {64, 20, 1}, Edge::kEnd);
  for_each_channel(one.shape, [&](int64_t c) {
    one.each(c, [&](int64_t i) {
      one.put(one.x, i, double(c));
      one.put(one.gradient, i, i < 640 ? 3e38 : -2e38);
    });
  });
  one.forward();
  one.backward();
  for_each_channel(one.shape, [&](int64_t c) { one.check_sums(c); });
}

TEST(non_finite_values_affect_only_their_own_channel) {
  Random random(seed());
  for (const Shape& shape : {Shape{50, 21, 1}, Shape{2000, 5, 1}, Shape{6, 20, 31}, Shape{30, 9, 3},
                             Shape{3, 5, 60001}}) {
    for (double value : {double(NAN), double(INFINITY), -double(INFINITY)}) {
      for_each_type([&]<class T>(T) {
        BatchCase<T> one(random, shape, Edge::kEnd);
        int64_t bad = random.below(shape.channels), n = random.below(shape.outer);
        int64_t i = random.below(shape.inner);
        one.put(one.x, (n * shape.channels + bad) * shape.inner + i, value);
        auto all_are_nan = [&] {
          one.each(bad,
                   [&](int64_t at) { CHECK(std::isnan(one.value(one.out, at)), one.text(bad)); });
        };
        one.forward();
        all_are_nan();
        for_each_channel(shape, [&](int64_t c) {
          if (c == bad) return;
          one.check_statistics(c);
          one.check_outputs(c);
        });
        one.backward();
        all_are_nan();
        for_each_channel(shape, [&](int64_t c) {
          if (c == bad) return;
          one.check_sums(c);
          one.check_gradients(c, Real(shape.values()));
        });
      });
    }
  }
}

// A NaN's low bits must not carry into its sign when it is rounded to bfloat16.
TEST(nan_parameters_of_any_bits_give_nan) {
  for_each_case(20, [](const auto& one, Random& random) {
    float nan = std::bit_cast<float>(random.one_in(2) ? 0x7fffffffu : 0xffffffffu);
    std::vector<float> nans(std::size_t(one.shape.channels), nan);
    PerChannel parameter{nans.data(), DType::kFloat32};
    auto check = [&] {
      for (int64_t i = 0; i < one.x.layout().elements(); ++i)
        CHECK(std::isnan(one.value(one.out, i)), one.text());
    };
    batch_norm_forward(one.forward_batch(), parameter, {}, one.eps, one.statistics());
    check();
    batch_norm_forward(one.forward_batch(), {}, parameter, one.eps, one.statistics());
    check();
    batch_norm_backward(one.backward_batch(), parameter, one.statistics(), one.sums(), false);
    check();
    std::vector<double> means = parameter.values(one.shape.channels, 0), ones(means.size(), 1);
    std::vector<double> zeros(means.size());
    one.statistics().set(0, one.shape.channels, true, means.data(), zeros.data(), ones.data(), 0);
    batch_norm_apply(one.forward_batch(), {}, {}, one.statistics());
    check();
  });
}

namespace {

// All 2^16 values of a 16-bit type plus `ulps` of their last place, which float32 holds exactly, as
// rows and as runs of equal values.
template <class T>
void check_rounding(double ulps) {
  Random random(seed());
  constexpr int64_t kPatterns = 1 << 16;
  for (int64_t inner : {1, 17}) {
    if (!is_in_portion(random)) continue;
    BatchCase<T> one(random, {1, kPatterns, inner}, any_edge(random));
    std::vector<double> zeros(kPatterns), ones(kPatterns, 1);
    std::vector<float> biases(kPatterns);
    for (int64_t c = 0; c < kPatterns; ++c) {
      T pattern{uint16_t(c)};
      double x = to_number(pattern), step = double(smallest<T>());
      if (std::abs(x) >= std::ldexp(1.0, Range<T>::kLowest) && std::isfinite(x))
        step = std::ldexp(1.0, std::ilogb(x) + 1 - Range<T>::kMantissa);
      biases[std::size_t(c)] = float(ulps * step);
      one.each(c, [&](int64_t i) { one.x.template data<T>()[i] = pattern; });
    }
    one.statistics().set(0, kPatterns, true, zeros.data(), zeros.data(), ones.data(), 0);
    batch_norm_apply(one.forward_batch(), {}, {biases.data(), DType::kFloat32}, one.statistics());
    for (int64_t c = 0; c < kPatterns; ++c) {
      T expected;
      round_to(to_number(T{uint16_t(c)}) + double(biases[std::size_t(c)]), expected);
      double wanted = to_number(expected);
      one.each(c, [&](int64_t i) {
        double got = double(one.value(one.out, i));
        CHECK(got == wanted || (got != got && wanted != wanted), std::to_string(c));
      });
    }
  }
}

}  // namespace

TEST(outputs_round_to_nearest_even_for_every_16_bit_value) {
  for (double ulps : {0.0, 0.5, -0.5, 0.25, 0.4375, 0.5625, -0.4375, -0.5625, 1.5}) {
    check_rounding<Float16>(ulps);
    check_rounding<BFloat16>(ulps);
  }
}

TEST(independent_of_the_callers_rounding_mode_and_flush_to_zero) {
  for_each_case(20, [](const auto& one, Random&) {
    for_each_channel(one.shape, [&](int64_t c) {
      one.each(c, [&](int64_t i) {
        one.put(one.x, i, double(one.value(one.x, i) * smallest<Float16>()));
      });
    });
    std::vector<Float16> weights(std::size_t(one.shape.channels), Float16{17});
    PerChannel parameter{weights.data(), DType::kFloat16};
    std::vector<std::vector<char>> expected;
    auto all = [&](bool first) {
      std::size_t at = 0;
      auto compare = [&](const TestArray& array) {
        if (first) expected.push_back(bytes_of(array));
        CHECK(holds(array, expected[at++]), one.text());
      };
      batch_norm_forward(one.forward_batch(), parameter, parameter, 1e-9, one.statistics());
      compare(one.statistics_array);
      compare(one.out);
      batch_norm_backward(one.backward_batch(), parameter, one.statistics(), one.sums(), false);
      compare(one.sums_array);
      compare(one.out);
    };
    all(true);
    std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
    unsigned mxcsr = _mm_getcsr();
    _mm_setcsr(mxcsr | 0x8040);  // flush to zero, subnormals are zero
#endif
    all(false);
#if defined(__x86_64__)
    _mm_setcsr(mxcsr);
#endif
    std::fesetround(FE_TONEAREST);
  });
}

TEST(running_statistics_are_updated_with_momentum) {
  for_each_case(30, [](const auto& one, Random& random) {
    const ChannelStatistics statistics = one.statistics();
    PerChannel mean = one.parameter(one.weight), variance = one.parameter(one.bias);
    std::vector<Real> moved(std::size_t(one.shape.channels)), expected[] = { moved, moved };
    double momentum = double(random.between(0, 8)) / 8, count = double(random.between(2, 99));
    one.set_statistics(random);
    for_each_channel(one.shape, [&](int64_t c) {
      Real targets[] = {Real(statistics.high[c]) + statistics.low[c],
                        statistics.variance[c] * count / (count - 1)};
      Real before[] = {one.value_of_channel(one.weight, c), one.value_of_channel(one.bias, c)};
      for (int i : {0, 1})
        expected[i][std::size_t(c)] = before[i] + Real(momentum) * (targets[i] - before[i]);
    });
    CHECK(batch_norm_move(one.shape.channels, statistics, count, momentum, true, mean, variance));
    for_each_channel(one.shape, [&](int64_t c) {
      Real got[] = {one.value_of_channel(one.weight, c), one.value_of_channel(one.bias, c)};
      for (int i : {0, 1}) {
        Real wanted = expected[i][std::size_t(c)];
        // All values, including the targets, are below 16; the spacing of float16 near 0 is 6e-8.
        Real bound = one.parameter_roundoff() * (std::abs(wanted) + 6e-5L) + 0x1p-46L;
        CHECK(std::abs(got[i] - wanted) <= bound, one.text(c));
      }
    });
  });
}

TEST(running_statistics_skip_non_finite_batches) {
  for_each_case(10, [](const auto& one, Random& random) {
    one.set_statistics(random);
    int64_t bad = random.below(one.shape.channels);
    (random.one_in(2) ? one.statistics().high : one.statistics().variance)[bad] = NAN;
    const std::vector<char> mean = bytes_of(one.weight), variance = bytes_of(one.bias);
    auto move = [&](bool skip) {
      return batch_norm_move(one.shape.channels, one.statistics(), 9, 0.5, skip,
                             one.parameter(one.weight), one.parameter(one.bias));
    };
    CHECK(!move(true), one.text());
    CHECK(holds(one.weight, mean) && holds(one.bias, variance), one.text());
    CHECK(move(false), one.text());
    CHECK(std::isnan(one.value_of_channel(one.weight, bad)) ||
              std::isnan(one.value_of_channel(one.bias, bad)),
          one.text());
  });
}
