// A torch tensor as DLPack's C exchange API shows it (DLPack 1.3, dlpack.h, DLPackExchangeAPI):
// one call says where its values are, and how they lie. Through Python's own steps a batch of ten
// columns waits longer for these answers than for its kernel.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>

#include "base/dtype.h"

namespace evenly {

class TensorView {
 public:
  // Nothing when torch cannot show it: too old, or a tensor that has no memory of its own.
  static std::optional<TensorView> of(nanobind::handle tensor);
  // Raises what torch raises.
  explicit TensorView(nanobind::handle tensor);

  bool is_cpu() const { return view_.device.device_type == nanobind::device::cpu::value; }
  std::optional<DType> dtype() const;  // nothing for any but the floating ones
  bool is_int64() const;
  int64_t axes() const { return view_.ndim; }
  int64_t shape(int64_t axis) const { return view_.shape[axis]; }
  int64_t values() const;
  bool has_shape_of(const TensorView& other) const;
  void* data() const { return static_cast<char*>(view_.data) + view_.byte_offset; }

  bool is_contiguous() const;
  // Samples, channels and values of a run, as they lie in memory without a gap: each sample's
  // channels in turn, or the values of all channels side by side.
  struct Layout {
    int64_t outer, channels, inner;

    bool operator==(const Layout&) const = default;
  };
  std::optional<Layout> layout() const;

  // A new tensor of this shape, layout and dtype: torch's own, or a large one in kept memory.
  nanobind::object empty_like() const;

 private:
  TensorView() = default;
  bool read(nanobind::handle tensor);

  nanobind::handle tensor_;
  nanobind::dlpack::dltensor view_;  // valid for as long as the tensor is
};

// Values: what is smaller, the C library itself keeps.
inline constexpr int64_t kMinCached = 1 << 20;

// A dense tensor, as the capsule of DLPack's first version, in memory that is kept, when it is
// freed, for the next of its size. (Its storage cannot be resized, as that of torch's own can.)
nanobind::object cached_tensor(const int64_t* shape, const int64_t* strides, int axes, DType dtype);

}  // namespace evenly
