// A view of a torch tensor through DLPack's C exchange API (DLPack 1.3, dlpack.h,
// DLPackExchangeAPI): one call returns the address, shape and strides. Through Python attributes
// these would take longer than the kernel for a batch of ten columns.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>

#include "base/dtype.h"

namespace evenly {

class TensorView {
 public:
  // Returns nothing if torch is too old or the tensor has no memory of its own.
  static std::optional<TensorView> of(nanobind::handle tensor);
  // Raises the exception that torch raises.
  explicit TensorView(nanobind::handle tensor);

  bool is_cpu() const { return view_.device.device_type == nanobind::device::cpu::value; }
  std::optional<DType> dtype() const;  // nothing for types that are not floating-point
  bool is_int64() const;
  int64_t axes() const { return view_.ndim; }
  int64_t shape(int64_t axis) const { return view_.shape[axis]; }
  int64_t values() const;
  bool has_shape_of(const TensorView& other) const;
  void* data() const { return static_cast<char*>(view_.data) + view_.byte_offset; }

  bool is_contiguous() const;
  // The dimensions of a dense batch: samples, channels, and the contiguous values of a channel.
  // With channels last, inner is 1.
  struct Layout {
    int64_t outer, channels, inner;

    bool operator==(const Layout&) const = default;
  };
  std::optional<Layout> layout() const;

  // A new tensor of the same shape, layout and dtype. Large ones are allocated by the caching
  // allocator.
  nanobind::object empty_like() const;

 private:
  TensorView() = default;
  bool read(nanobind::handle tensor);

  nanobind::handle tensor_;
  nanobind::dlpack::dltensor view_;  // valid as long as the tensor
};

// The minimum number of values: 1 MB of float32. The C library reuses smaller blocks itself, but
// may return larger ones to the system (forward and backward pass of 2048 rows of 256 on one core
// of a Zen 3: 0.93 ms without the cache, 0.53 with it).
inline constexpr int64_t kMinCached = 1 << 18;

// A dense tensor in memory of the caching allocator, as an unversioned DLPack capsule. (Unlike
// torch's own tensors, its storage cannot be resized.)
nanobind::object cached_tensor(const int64_t* shape, const int64_t* strides, int axes, DType dtype);

}  // namespace evenly
