#include "bindings/torch_tensor.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/caching_allocator.h"

namespace nb = nanobind;

namespace evenly {
namespace {

// The used part of the table that dlpack.h describes.
struct ExchangeApi {
  uint32_t major, minor;
  ExchangeApi* previous;
  void* unused[3];
  int (*view)(void* object, nb::dlpack::dltensor* out);  // may be null
};

struct Torch {
  const ExchangeApi* api = nullptr;
  nb::object empty_like, from_dlpack;

  Torch() {
    nb::module_ module = nb::module_::import_("torch");
    nb::object tensor = module.attr("Tensor");
    empty_like = module.attr("empty_like");
    from_dlpack = nb::module_::import_("torch._C").attr("_from_dlpack");
    if (!nb::hasattr(tensor, "__dlpack_c_exchange_api__")) return;
    nb::object capsule = tensor.attr("__dlpack_c_exchange_api__");
    void* table = PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api");
    if (!table) throw nb::python_error();
    const auto* found = static_cast<const ExchangeApi*>(table);
    while (found && found->major > 1) found = found->previous;
    if (found && found->major == 1 && found->view) api = found;
  }
};

// Created once and never destroyed. It is not a static local variable: another thread would wait
// for its initialization while holding the GIL, which the initializing thread may have released.
const Torch& torch() {
  static std::atomic<const Torch*> the_torch{nullptr};
  const Torch* found = the_torch.load();
  if (found) return *found;
  auto made = std::make_unique<const Torch>();
  if (the_torch.compare_exchange_strong(found, made.get())) found = made.release();
  return *found;
}

nb::object called(nb::handle function, nb::handle argument) {
  PyObject* result = PyObject_CallOneArg(function.ptr(), argument.ptr());
  if (!result) throw nb::python_error();
  return nb::steal(result);
}

// DLPack's DLManagedTensor: a tensor and its deleter.
struct ManagedTensor {
  nb::dlpack::dltensor tensor;
  void* context;
  void (*free)(ManagedTensor*);
};

// A tensor in memory of the caching allocator, to which the memory returns when the tensor is
// freed. It is passed as an unversioned DLPack capsule: nanobind's arrays and the DLPack protocol
// take three times as long.
struct CachedTensor {
  const CachingAllocator::Block block;
  std::vector<int64_t> shape, strides;
  ManagedTensor managed{};

  explicit CachedTensor(size_t bytes) : block(CachingAllocator::shared().allocate(bytes)) {}
  CachedTensor(const CachedTensor&) = delete;
  ~CachedTensor() { CachingAllocator::shared().free(block); }
  static void free(ManagedTensor* managed) { delete static_cast<CachedTensor*>(managed->context); }
};

// Whether the values are contiguous in the order of `axes`, outermost first.
template <class Axis>
bool dense(const nb::dlpack::dltensor& view, int axes, Axis&& axis) {
  int64_t expected = 1;
  for (int i = axes - 1; i >= 0; --i) {
    const int own = axis(i);
    if (view.shape[own] == 1) continue;
    if (view.strides[own] != expected) return false;
    expected *= view.shape[own];
  }
  return true;
}

}  // namespace

bool TensorView::read(nb::handle tensor) {
  tensor_ = tensor;
  const ExchangeApi* api = torch().api;
  return api && api->view(tensor.ptr(), &view_) == 0;
}

std::optional<TensorView> TensorView::of(nb::handle tensor) {
  TensorView view;
  if (view.read(tensor)) return view;
  PyErr_Clear();
  return std::nullopt;
}

TensorView::TensorView(nb::handle tensor) {
  if (read(tensor)) return;
  if (PyErr_Occurred()) throw nb::python_error();
  throw nb::type_error("this torch has no DLPack exchange API");
}

std::optional<DType> TensorView::dtype() const {
  const auto [code, bits, lanes] = view_.dtype;
  if (lanes != 1) return std::nullopt;
  if (code == uint8_t(nb::dlpack::dtype_code::Bfloat)) return DType::kBfloat16;
  if (code != uint8_t(nb::dlpack::dtype_code::Float)) return std::nullopt;
  switch (bits) {
    case 16:
      return DType::kFloat16;
    case 32:
      return DType::kFloat32;
    case 64:
      return DType::kFloat64;
    default:
      return std::nullopt;
  }
}

bool TensorView::is_int64() const {
  const auto [code, bits, lanes] = view_.dtype;
  return code == uint8_t(nb::dlpack::dtype_code::Int) && bits == 64 && lanes == 1;
}

int64_t TensorView::values() const {
  int64_t all = 1;
  for (int i = 0; i < view_.ndim; ++i) all *= view_.shape[i];
  return all;
}

bool TensorView::has_shape_of(const TensorView& other) const {
  return std::equal(view_.shape, view_.shape + view_.ndim, other.view_.shape,
                    other.view_.shape + other.view_.ndim);
}

bool TensorView::is_contiguous() const {
  return dense(view_, view_.ndim, [](int i) { return i; });
}

std::optional<TensorView::Layout> TensorView::layout() const {
  const int axes = view_.ndim;
  if (axes < 2) return std::nullopt;
  const int64_t samples = shape(0), channels = shape(1), all = values();
  if (all == 0) return std::nullopt;
  if (is_contiguous()) return Layout{samples, channels, all / (samples * channels)};
  const bool channels_last = dense(view_, axes, [axes](int i) {
    return i == 0 ? 0 : i == axes - 1 ? 1 : i + 1;
  });
  if (channels_last) return Layout{all / channels, channels, 1};
  return std::nullopt;
}

nb::object TensorView::empty_like() const {
  const auto own = dtype();
  const int64_t all = values();
  const bool cached = own && all >= kMinCached &&
                      size_t(all * size_of(*own)) <= CachingAllocator::shared().max_kept();
  if (!cached) return called(torch().empty_like, tensor_);
  return called(torch().from_dlpack, cached_tensor(view_.shape, view_.strides, view_.ndim, *own));
}

nb::object cached_tensor(const int64_t* shape, const int64_t* strides, int axes, DType dtype) {
  size_t bytes = size_t(size_of(dtype));
  for (int i = 0; i < axes; ++i) bytes *= size_t(shape[i]);
  auto own = std::make_unique<CachedTensor>(bytes);
  own->shape.assign(shape, shape + axes);
  own->strides.assign(strides, strides + axes);
  nb::dlpack::dltensor& tensor = own->managed.tensor;
  tensor.data = own->block.memory;
  tensor.device = {nb::device::cpu::value, 0};
  tensor.ndim = axes;
  const auto code =
      dtype == DType::kBfloat16 ? nb::dlpack::dtype_code::Bfloat : nb::dlpack::dtype_code::Float;
  tensor.dtype = {uint8_t(code), uint8_t(8 * size_of(dtype)), 1};
  tensor.shape = own->shape.data(), tensor.strides = own->strides.data();
  own->managed.context = own.get();
  own->managed.free = CachedTensor::free;
  PyObject* capsule = PyCapsule_New(&own->managed, "dltensor", [](PyObject* unused) {
    if (!PyCapsule_IsValid(unused, "dltensor")) return;  // its consumer has renamed it
    CachedTensor::free(static_cast<ManagedTensor*>(PyCapsule_GetPointer(unused, "dltensor")));
  });
  if (!capsule) throw nb::python_error();
  own.release();
  return nb::steal(capsule);
}

}  // namespace evenly
