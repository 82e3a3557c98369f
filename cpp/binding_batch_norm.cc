// What Python sees of batch normalisation. Tensors come as addresses: taking one in as an
// array costs 4 us, where torch's own small batch norm costs 20. evenly/torch/kernels.py has
// checked dtypes, shapes and layouts.
#include "binding_batch_norm.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "batch_norm.h"
#include "caching_allocator.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

template <class T>
T* at(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

// Room for four float64 a channel, which Python keeps as plain bytes: a tensor costs 1.6 us.
Saved saved_in(const nb::bytearray& saved, int64_t channels) {
  if (int64_t(saved.size()) != 4 * 8 * channels)
    throw nb::value_error("saved must have room for four float64 a channel");
  return Saved::in(static_cast<double*>(const_cast<void*>(saved.data())), channels);
}

DType dtype_at(int place) { return DType(int(DType::kFloat16) + place); }

Batch batch_of(uintptr_t x, uintptr_t gradient, uintptr_t out, int64_t outer, int64_t channels,
               int64_t inner, int dtype) {
  return {at<void>(x), at<void>(gradient), at<void>(out), dtype_at(dtype),
          outer,       channels,           inner,         0};
}

void forward(uintptr_t x, uintptr_t out, int64_t outer, int64_t channels, int64_t inner, int dtype,
             uintptr_t weight, uintptr_t bias, int parameter_dtype, double eps,
             const nb::bytearray& saved) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  DType own = dtype_at(parameter_dtype);
  batch_norm_forward(batch_of(x, 0, out, outer, channels, inner, dtype), {at<void>(weight), own},
                     {at<void>(bias), own}, eps, kept);
}

void forward_fixed(uintptr_t x, uintptr_t out, int64_t outer, int64_t channels, int64_t inner,
                   int dtype, uintptr_t mean, uintptr_t variance, uintptr_t weight, uintptr_t bias,
                   int parameter_dtype, double eps, const std::optional<nb::bytearray>& saved) {
  std::unique_ptr<double[]> room;
  if (!saved) room = std::make_unique_for_overwrite<double[]>(std::size_t(4 * channels));
  Saved kept = saved ? saved_in(*saved, channels) : Saved::in(room.get(), channels);
  nb::gil_scoped_release release;
  DType own = dtype_at(parameter_dtype);
  std::vector<double> means = PerChannel{at<void>(mean), own}.values(channels, 0);
  std::vector<double> variances = PerChannel{at<void>(variance), own}.values(channels, 1);
  std::vector<double> rest(means.size());
  bool narrow = dtype_at(dtype) != DType::kFloat64;
  kept.set(0, channels, narrow, means.data(), rest.data(), variances.data(), eps);
  batch_norm_apply(batch_of(x, 0, out, outer, channels, inner, dtype), {at<void>(weight), own},
                   {at<void>(bias), own}, kept);
}

void apply(uintptr_t x, uintptr_t out, int64_t outer, int64_t channels, int64_t inner, int dtype,
           uintptr_t weight, uintptr_t bias, int parameter_dtype, const nb::bytearray& saved) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  DType own = dtype_at(parameter_dtype);
  batch_norm_apply(batch_of(x, 0, out, outer, channels, inner, dtype), {at<void>(weight), own},
                   {at<void>(bias), own}, kept);
}

void backward(uintptr_t x, uintptr_t gradient, uintptr_t out, int64_t outer, int64_t channels,
              int64_t inner, int dtype, uintptr_t weight, int parameter_dtype,
              const nb::bytearray& saved, uintptr_t weight_gradient, uintptr_t bias_gradient,
              bool fixed) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  DType own = dtype_at(parameter_dtype);
  std::vector<double> sums(std::size_t(2 * channels));
  GradientSums both{sums.data(), sums.data() + channels};
  batch_norm_backward(batch_of(x, gradient, out, outer, channels, inner, dtype),
                      {at<void>(weight), own}, kept, both, fixed);
  for (int64_t c = 0; c < channels; ++c) sums[std::size_t(channels + c)] *= kept.inverse[c];
  PerChannel{at<void>(bias_gradient), own}.set(channels, both.sum);
  PerChannel{at<void>(weight_gradient), own}.set(channels, both.product);
}

void gradient_sums(uintptr_t x, uintptr_t gradient, int64_t outer, int64_t channels, int64_t inner,
                   int dtype, const nb::bytearray& saved, uintptr_t sums) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  batch_norm_backward(batch_of(x, gradient, 0, outer, channels, inner, dtype), {}, kept,
                      {at<double>(sums), at<double>(sums) + channels}, false);
}

void gradient(uintptr_t x, uintptr_t gradient, uintptr_t out, int64_t outer, int64_t channels,
              int64_t inner, int dtype, uintptr_t weight, int parameter_dtype,
              const nb::bytearray& saved, uintptr_t sums, double count) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  batch_norm_backward_apply(batch_of(x, gradient, out, outer, channels, inner, dtype),
                            {at<void>(weight), dtype_at(parameter_dtype)}, kept,
                            {at<double>(sums), at<double>(sums) + channels}, count);
}

bool move(int64_t channels, const nb::bytearray& saved, double count, double momentum,
          bool skip_non_finite, uintptr_t mean, uintptr_t variance, int parameter_dtype,
          uintptr_t tracked) {
  Saved kept = saved_in(saved, channels);
  nb::gil_scoped_release release;
  DType own = dtype_at(parameter_dtype);
  int64_t* batches = at<int64_t>(tracked);
  if (std::isnan(momentum)) momentum = batches ? 1.0 / double(*batches + 1) : 0.0;
  bool moved = batch_norm_move(channels, kept, count, momentum, skip_non_finite,
                               {at<void>(mean), own}, {at<void>(variance), own});
  if (moved && batches) ++*batches;
  return moved;
}

// A tensor in memory of the caching allocator, to which it goes back with the tensor.
nb::ndarray<nb::pytorch> empty(const std::vector<size_t>& shape,
                               const std::vector<int64_t>& strides, int dtype) {
  constexpr nb::dlpack::dtype_code kCodes[] = {
      nb::dlpack::dtype_code::Float, nb::dlpack::dtype_code::Bfloat, nb::dlpack::dtype_code::Float,
      nb::dlpack::dtype_code::Float};
  const size_t size = size_of(dtype_at(dtype));
  size_t bytes = size;
  for (size_t length : shape) bytes *= length;
  using Block = CachingAllocator::Block;
  auto block = std::make_unique<Block>(CachingAllocator::shared().allocate(bytes));
  nb::capsule owner(block.get(), [](void* own) noexcept {
    std::unique_ptr<Block> block(static_cast<Block*>(own));
    CachingAllocator::shared().free(*block);
  });
  nb::dlpack::dtype own{uint8_t(kCodes[dtype]), uint8_t(8 * size), 1};
  return {block.release()->memory, shape.size(), shape.data(), owner, strides.data(), own};
}

}  // namespace

void bind_batch_norm(nb::module_& m) {
  m.def("batch_norm", &forward, "x"_a, "out"_a, "outer"_a, "channels"_a, "inner"_a, "dtype"_a,
        "weight"_a, "bias"_a, "parameter_dtype"_a, "eps"_a, "saved"_a,
        "Takes a batch's statistics into saved, four float64 a channel, and normalises it into "
        "out, if given. Dtypes: 0 float16, 1 bfloat16, 2 float32, 3 float64.");
  m.def("batch_norm_fixed", &forward_fixed, "x"_a, "out"_a, "outer"_a, "channels"_a, "inner"_a,
        "dtype"_a, "mean"_a, "variance"_a, "weight"_a, "bias"_a, "parameter_dtype"_a, "eps"_a,
        "saved"_a, "Normalises with a given mean and variance, which saved then has, if given.");
  m.def("batch_norm_apply", &apply, "x"_a, "out"_a, "outer"_a, "channels"_a, "inner"_a, "dtype"_a,
        "weight"_a, "bias"_a, "parameter_dtype"_a, "saved"_a, "Normalises with saved statistics.");
  m.def("batch_norm_backward", &backward, "x"_a, "gradient"_a, "out"_a, "outer"_a, "channels"_a,
        "inner"_a, "dtype"_a, "weight"_a, "parameter_dtype"_a, "saved"_a, "weight_gradient"_a,
        "bias_gradient"_a, "fixed"_a, "The gradients of x (if out is given), weight and bias.");
  m.def("batch_norm_gradient_sums", &gradient_sums, "x"_a, "gradient"_a, "outer"_a, "channels"_a,
        "inner"_a, "dtype"_a, "saved"_a, "sums"_a,
        "Per channel the sums of gradient, then of gradient * (x - mean).");
  m.def("batch_norm_gradient", &gradient, "x"_a, "gradient"_a, "out"_a, "outer"_a, "channels"_a,
        "inner"_a, "dtype"_a, "weight"_a, "parameter_dtype"_a, "saved"_a, "sums"_a, "count"_a,
        "The gradient of x, from sums over count values a channel.");
  m.def("empty", &empty, "shape"_a, "strides"_a, "dtype"_a,
        "A dense torch tensor in memory that is kept, when it is freed, for the next of its size.");
  m.def(
      "empty_cache", [] { return CachingAllocator::shared().empty(); },
      "Gives what is kept back to the system; returns how many bytes those were.");
  m.def(
      "most_cached", [] { return CachingAllocator::shared().most_kept(); },
      "How many bytes are kept at most.");
  m.def("batch_norm_move", &move, "channels"_a, "saved"_a, "count"_a, "momentum"_a,
        "skip_non_finite"_a, "mean"_a, "variance"_a, "parameter_dtype"_a, "tracked"_a,
        "Moves running statistics (momentum NaN: 1 / batches tracked); whether it did.");
}

}  // namespace evenly
