// What Python sees of batch normalisation. Tensors come as addresses: taking one in as an
// array costs 4 us, where torch's own small batch norm costs 20. evenly/torch/kernels.py has
// checked dtypes, shapes and layouts.
#include "binding_batch_norm.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <atomic>
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

// What a tensor says of itself. Through Python's own steps a batch of ten columns waits longer for
// these answers than for its kernel.
class TensorView {
 public:
  explicit TensorView(nb::handle tensor) : tensor_(tensor) {}
  bool is_cpu() const { return attribute(names().is_cpu).is(Py_True); }
  bool is_strided() const { return attribute(names().layout).is(names().strided); }
  bool is_negated() const { return call(names().is_neg).is(Py_True); }
  bool is_contiguous() const { return call(names().is_contiguous).is(Py_True); }
  int64_t numel() const { return nb::cast<int64_t>(call(names().numel)); }
  int64_t channels() const { return nb::cast<int64_t>(tensor_.attr("size")(1)); }
  // The dtype's place in dtype_at, or -1.
  int dtype() const {
    nb::object own = attribute(names().dtype);
    for (int i = 0; i < 4; ++i) {
      if (own.is(names().dtypes[i])) return i;
    }
    return -1;
  }

 private:
  struct Names {
    nb::str is_cpu = name("is_cpu"), layout = name("layout"), is_neg = name("is_neg"),
            is_contiguous = name("is_contiguous"), numel = name("numel"), dtype = name("dtype");
    nb::object strided;
    nb::object dtypes[4];

    Names() {
      nb::module_ torch = nb::module_::import_("torch");
      strided = torch.attr("strided");
      int place = 0;
      for (const char* each : {"float16", "bfloat16", "float32", "float64"}) {
        dtypes[place++] = torch.attr(each);
      }
    }
    static nb::str name(const char* text) {
      return nb::steal<nb::str>(PyUnicode_InternFromString(text));
    }
  };
  // Made once, for as long as the process lives. Not a static local: another thread would wait for
  // it with Python's lock, which whoever makes it may have given up meanwhile.
  static const Names& names() {
    static std::atomic<const Names*> the_names{nullptr};
    const Names* found = the_names.load();
    if (found) return *found;
    auto made = std::make_unique<const Names>();
    if (the_names.compare_exchange_strong(found, made.get())) found = made.release();
    return *found;
  }
  nb::object attribute(const nb::str& name) const {
    return checked(PyObject_GetAttr(tensor_.ptr(), name.ptr()));
  }
  nb::object call(const nb::str& name) const {
    return checked(PyObject_CallMethodNoArgs(tensor_.ptr(), name.ptr()));
  }
  static nb::object checked(PyObject* object) {
    if (!object) throw nb::python_error();
    return nb::steal(object);
  }

  nb::handle tensor_;
};

// The dtype of the numbers that each channel has, or of x where it has none; -1 when the kernels
// cannot take x with these.
int code_of(nb::handle x, const nb::args& parts) {
  TensorView batch(x);
  if (!batch.is_cpu() || batch.numel() == 0 || !batch.is_strided() || batch.is_negated()) return -1;
  const int own = batch.dtype();
  const int64_t channels = batch.channels();
  int code = -1;
  for (nb::handle part : parts) {
    if (part.is_none()) continue;
    TensorView numbers(part);
    if (numbers.numel() != channels || !numbers.is_cpu() || !numbers.is_contiguous()) return -1;
    const int dtype = numbers.dtype();
    if (code != -1 && code != dtype) return -1;
    code = dtype;
    if (code == -1) return -1;
  }
  const bool half = own == 0 || own == 1;
  return code == -1 || code == own ? own : code == 2 && half ? code : -1;
}

// DLPack's DLManagedTensor: a tensor, and how it is freed.
struct ManagedTensor {
  nb::dlpack::dltensor tensor;
  void* context;
  void (*free)(ManagedTensor*);
};

// A tensor in memory of the caching allocator, to which it goes back with the tensor. As the
// capsule that DLPack's first version passes on: through nanobind's arrays and their protocol it
// takes three times as long.
struct CachedTensor {
  CachingAllocator::Block block;
  std::vector<int64_t> shape, strides;
  ManagedTensor managed;

  static void free(ManagedTensor* managed) {
    auto* own = static_cast<CachedTensor*>(managed->context);
    CachingAllocator::shared().free(own->block);
    delete own;
  }
};

nb::object empty(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                 int dtype) {
  constexpr nb::dlpack::dtype_code kCodes[] = {
      nb::dlpack::dtype_code::Float, nb::dlpack::dtype_code::Bfloat, nb::dlpack::dtype_code::Float,
      nb::dlpack::dtype_code::Float};
  const size_t size = size_of(dtype_at(dtype));
  size_t bytes = size;
  for (int64_t length : shape) bytes *= size_t(length);
  auto own = std::make_unique<CachedTensor>();
  own->shape = shape, own->strides = strides;
  own->block = CachingAllocator::shared().allocate(bytes);
  nb::dlpack::dltensor& tensor = own->managed.tensor;
  tensor.data = own->block.memory;
  tensor.device = {nb::device::cpu::value, 0};
  tensor.ndim = int32_t(shape.size());
  tensor.dtype = {uint8_t(kCodes[dtype]), uint8_t(8 * size), 1};
  tensor.shape = own->shape.data(), tensor.strides = own->strides.data();
  own->managed.context = own.get();
  own->managed.free = CachedTensor::free;
  PyObject* capsule = PyCapsule_New(&own->managed, "dltensor", [](PyObject* unused) {
    if (!PyCapsule_IsValid(unused, "dltensor")) return;  // whoever took it has renamed it
    CachedTensor::free(static_cast<ManagedTensor*>(PyCapsule_GetPointer(unused, "dltensor")));
  });
  if (!capsule) {
    CachingAllocator::shared().free(own->block);
    throw nb::python_error();
  }
  own.release();
  return nb::steal(capsule);
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
  m.def("code_of", &code_of, nb::sig("def code_of(x: object, *parts: object) -> int"),
        "The dtype of a dense CPU tensor's per-channel parts (None for none), or its own; -1 when "
        "the kernels cannot take them.");
  m.def("empty", &empty, "shape"_a, "strides"_a, "dtype"_a,
        "A dense tensor, as a DLPack capsule, in memory that is kept, when it is freed, for the "
        "next of its size.");
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
