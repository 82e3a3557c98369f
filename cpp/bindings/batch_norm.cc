// Batch normalization of torch tensors. Each tensor is inspected once through DLPack: as a nanobind
// array this would take 4 us, when torch's own batch norm of a small batch takes 20 us.
#include "batch_norm/batch_norm.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "base/caching_allocator.h"
#include "bindings/bindings.h"
#include "bindings/torch_tensor.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

// Four float64 per channel, stored in a bytearray: creating a tensor takes 1.6 us.
ChannelStatistics statistics_in(const nb::bytearray& saved, int64_t channels) {
  if (int64_t(saved.size()) != 4 * 8 * channels)
    throw nb::value_error("saved must have room for four float64 a channel");
  return ChannelStatistics::in(static_cast<double*>(const_cast<void*>(saved.data())), channels);
}

// A tensor with one number per channel, or None.
PerChannel per_channel(nb::handle tensor, int64_t channels) {
  if (tensor.is_none()) return {nullptr, DType::kFloat64};
  TensorView view(tensor);
  const std::optional<DType> dtype = view.dtype();
  if (!view.is_cpu() || !dtype || view.values() != channels || !view.is_contiguous())
    throw nb::value_error("a part must have one floating number a channel, side by side");
  return {view.data(), *dtype};
}

// Returns the gradient in the memory layout of its batch, so that one layout describes both.
nb::object match_layout(const TensorView& x, nb::object gradient) {
  if (nb::cast<bool>(gradient.attr("is_neg")())) gradient = gradient.attr("resolve_neg")();
  const TensorView own(gradient);
  if (!own.is_cpu() || own.dtype() != x.dtype() || !own.has_shape_of(x))
    throw nb::value_error("a gradient must have its batch's shape and dtype");
  if (own.layout() == x.layout()) return gradient;
  return x.empty_like().attr("copy_")(gradient);
}

// A dense batch, its gradient in the same layout, and the output.
struct DenseBatch {
  TensorView x;
  Batch batch;
  nb::object gradient, out;

  explicit DenseBatch(nb::handle tensor, nb::handle of_output = {}) : x(tensor), batch{} {
    const auto layout = x.layout();
    const auto dtype = x.dtype();
    if (!x.is_cpu() || !layout || !dtype) throw nb::value_error("a batch must be dense");
    batch = {x.data(), nullptr, nullptr, *dtype, layout->outer, layout->channels, layout->inner, 0};
    if (!of_output.is_valid()) return;
    gradient = match_layout(x, nb::borrow(of_output));
    batch.gradient = TensorView(gradient).data();
  }
  int64_t channels() const { return batch.channels; }
  void allocate_output() {
    out = x.empty_like();
    batch.out = TensorView(out).data();
  }
};

nb::object forward(nb::handle x, nb::handle weight, nb::handle bias, double eps,
                   const nb::bytearray& saved, bool wanted) {
  DenseBatch dense(x);
  ChannelStatistics statistics = statistics_in(saved, dense.channels());
  const PerChannel weights = per_channel(weight, dense.channels()),
                   biases = per_channel(bias, dense.channels());
  if (wanted) dense.allocate_output();
  {
    nb::gil_scoped_release release;
    batch_norm_forward(dense.batch, weights, biases, eps, statistics);
  }
  return wanted ? dense.out : nb::none();
}

nb::object forward_fixed(nb::handle x, nb::handle mean, nb::handle variance, nb::handle weight,
                         nb::handle bias, double eps, const std::optional<nb::bytearray>& saved) {
  DenseBatch dense(x);
  const int64_t channels = dense.channels();
  const PerChannel weights = per_channel(weight, channels), biases = per_channel(bias, channels);
  const PerChannel fixed_means = per_channel(mean, channels),
                   fixed_variances = per_channel(variance, channels);
  std::unique_ptr<double[]> buffer;
  if (!saved) buffer = std::make_unique_for_overwrite<double[]>(std::size_t(4 * channels));
  ChannelStatistics statistics =
      saved ? statistics_in(*saved, channels) : ChannelStatistics::in(buffer.get(), channels);
  dense.allocate_output();
  {
    nb::gil_scoped_release release;
    std::vector<double> means = fixed_means.values(channels, 0);
    std::vector<double> variances = fixed_variances.values(channels, 1);
    std::vector<double> rest(means.size());
    bool narrow = dense.batch.dtype != DType::kFloat64;
    statistics.set(0, channels, narrow, means.data(), rest.data(), variances.data(), eps);
    batch_norm_apply(dense.batch, weights, biases, statistics);
  }
  return dense.out;
}

nb::object apply(nb::handle x, nb::handle weight, nb::handle bias, const nb::bytearray& saved) {
  DenseBatch dense(x);
  ChannelStatistics statistics = statistics_in(saved, dense.channels());
  const PerChannel weights = per_channel(weight, dense.channels()),
                   biases = per_channel(bias, dense.channels());
  dense.allocate_output();
  {
    nb::gil_scoped_release release;
    batch_norm_apply(dense.batch, weights, biases, statistics);
  }
  return dense.out;
}

// Returns a new tensor like one with a number per channel.
nb::object empty_part(nb::handle like, bool wanted) {
  return wanted ? TensorView(like).empty_like() : nb::none();
}

nb::tuple backward(nb::handle x, nb::handle gradient, nb::handle weight, nb::handle bias,
                   const nb::bytearray& saved, bool for_x, bool for_weight, bool for_bias,
                   bool fixed) {
  DenseBatch dense(x, gradient);
  const int64_t channels = dense.channels();
  ChannelStatistics statistics = statistics_in(saved, channels);
  const PerChannel weights = per_channel(weight, channels);
  const nb::object weight_gradient = empty_part(weight, for_weight),
                   bias_gradient = empty_part(bias, for_bias);
  const PerChannel to_weight = per_channel(weight_gradient, channels),
                   to_bias = per_channel(bias_gradient, channels);
  if (for_x) dense.allocate_output();
  {
    nb::gil_scoped_release release;
    std::vector<double> sums(std::size_t(2 * channels));
    GradientSums both{sums.data(), sums.data() + channels};
    batch_norm_backward(dense.batch, weights, statistics, both, fixed);
    for (int64_t c = 0; c < channels; ++c) sums[std::size_t(channels + c)] *= statistics.inverse[c];
    to_bias.set(channels, both.sum);
    to_weight.set(channels, both.product);
  }
  return nb::make_tuple(for_x ? dense.out : nb::none(), weight_gradient, bias_gradient);
}

// Two float64 per channel.
GradientSums sums_in(nb::handle sums, int64_t channels) {
  TensorView view(sums);
  if (!view.is_cpu() || view.dtype() != DType::kFloat64 || view.values() != 2 * channels ||
      !view.is_contiguous())
    throw nb::value_error("sums must be two float64 a channel, side by side");
  auto* both = static_cast<double*>(view.data());
  return {both, both + channels};
}

void gradient_sums(nb::handle x, nb::handle gradient, const nb::bytearray& saved, nb::handle sums) {
  DenseBatch dense(x, gradient);
  ChannelStatistics statistics = statistics_in(saved, dense.channels());
  const GradientSums both = sums_in(sums, dense.channels());
  nb::gil_scoped_release release;
  batch_norm_backward(dense.batch, {}, statistics, both, false);
}

nb::object gradient(nb::handle x, nb::handle gradient, nb::handle weight,
                    const nb::bytearray& saved, nb::handle sums, double count) {
  DenseBatch dense(x, gradient);
  ChannelStatistics statistics = statistics_in(saved, dense.channels());
  const PerChannel weights = per_channel(weight, dense.channels());
  const GradientSums both = sums_in(sums, dense.channels());
  dense.allocate_output();
  {
    nb::gil_scoped_release release;
    batch_norm_backward_apply(dense.batch, weights, statistics, both, count);
  }
  return dense.out;
}

// A tensor of one int64, or None.
int64_t* counter(nb::handle tensor) {
  if (tensor.is_none()) return nullptr;
  TensorView view(tensor);
  if (!view.is_cpu() || !view.is_int64() || view.values() != 1)
    throw nb::value_error("a counter must be one int64");
  return static_cast<int64_t*>(view.data());
}

bool move(const nb::bytearray& saved, double count, double momentum, bool skip_non_finite,
          nb::handle mean, nb::handle variance, nb::handle tracked) {
  const int64_t channels = int64_t(saved.size()) / (4 * 8);
  ChannelStatistics statistics = statistics_in(saved, channels);
  const PerChannel means = per_channel(mean, channels), variances = per_channel(variance, channels);
  int64_t* batches = counter(tracked);
  nb::gil_scoped_release release;
  if (std::isnan(momentum)) momentum = batches ? 1.0 / double(*batches + 1) : 0.0;
  bool moved =
      batch_norm_move(channels, statistics, count, momentum, skip_non_finite, means, variances);
  if (moved && batches) ++*batches;
  return moved;
}

// Whether the kernels support this batch and these per-channel parameters. The parameters share one
// dtype: the batch's own, or float32 for the 16-bit types.
bool takes(nb::handle x, const nb::args& parts) {
  static constexpr auto half = [](DType dtype) {
    return dtype == DType::kFloat16 || dtype == DType::kBfloat16;
  };
  const auto batch = TensorView::of(x);
  if (!batch || !batch->is_cpu() || batch->axes() < 2 || batch->values() == 0) return false;
  const auto own = batch->dtype();
  if (!own || nb::cast<bool>(x.attr("is_neg")())) return false;
  std::optional<DType> first;
  for (nb::handle part : parts) {
    if (part.is_none()) continue;
    const auto numbers = TensorView::of(part);
    if (!numbers || !numbers->is_cpu() || !numbers->is_contiguous()) return false;
    const auto dtype = numbers->dtype();
    if (!dtype || numbers->values() != batch->shape(1) || (first && first != dtype)) return false;
    first = dtype;
  }
  return !first || first == own || (first == DType::kFloat32 && half(*own));
}

nb::object dense(nb::handle x) {
  return TensorView(x).layout() ? nb::borrow(x) : x.attr("contiguous")();
}

nb::object empty(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                 int dtype) {
  return cached_tensor(shape.data(), strides.data(), int(shape.size()),
                       DType(int(DType::kFloat16) + dtype));
}

}  // namespace

void bind_batch_norm(nb::module_& m) {
  m.def("takes", &takes, nb::sig("def takes(x: object, *parts: object) -> bool"),
        "Returns whether the kernels support a batch with these per-channel tensors (None if "
        "absent).");
  m.def("dense", &dense, "x"_a,
        "Returns the batch, or a copy that is contiguous or channels last.");
  m.def("batch_norm", &forward, "x"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a, "saved"_a,
        "wanted"_a,
        "Writes the statistics of a dense batch to saved, four float64 per channel. Returns the "
        "normalized batch, or None unless wanted.");
  m.def("batch_norm_fixed", &forward_fixed, "x"_a, "mean"_a, "variance"_a, "weight"_a.none(),
        "bias"_a.none(), "eps"_a, "saved"_a.none(),
        "Returns the batch normalized with this mean and variance, which are written to saved "
        "unless it is None.");
  m.def("batch_norm_apply", &apply, "x"_a, "weight"_a.none(), "bias"_a.none(), "saved"_a,
        "Returns the batch normalized with saved statistics.");
  m.def("batch_norm_backward", &backward, "x"_a, "gradient"_a, "weight"_a.none(), "bias"_a.none(),
        "saved"_a, "for_x"_a, "for_weight"_a, "for_bias"_a, "fixed"_a,
        "Returns the gradients of x, weight and bias; None for those that are not requested.");
  m.def("batch_norm_gradient_sums", &gradient_sums, "x"_a, "gradient"_a, "saved"_a, "sums"_a,
        "Writes the sums of gradient, then those of gradient * (x - mean), per channel.");
  m.def("batch_norm_gradient", &gradient, "x"_a, "gradient"_a, "weight"_a.none(), "saved"_a,
        "sums"_a, "count"_a, "Returns the gradient of x from sums over count values per channel.");
  m.def(
      "batch_norm_move", &move, "saved"_a, "count"_a, "momentum"_a, "skip_non_finite"_a, "mean"_a,
      "variance"_a, "tracked"_a.none(),
      "Updates running statistics (momentum NaN: 1 / number of batches). Returns whether it did.");
  m.def("empty", &empty, "shape"_a, "strides"_a, "dtype"_a,
        "Returns an uninitialized dense tensor as a DLPack capsule. Its memory is cached when it "
        "is freed. Dtypes: 0 float16, 1 bfloat16, 2 float32, 3 float64.");
  m.def(
      "empty_cache", [] { return CachingAllocator::shared().empty(); },
      "Frees the cached memory. Returns its size in bytes.");
  m.def(
      "least_cached", [] { return kMinCached; },
      "The minimum number of elements of a tensor whose memory is cached.");
  m.def(
      "most_cached", [] { return CachingAllocator::shared().max_kept(); },
      "The maximum size of the cache in bytes.");
}

}  // namespace evenly
