// The supported element types.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace evenly {

enum class DType : uint8_t {
  kBool,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64
};

inline const char* name_of(DType dtype) {
  static const char* const names[] = {"bool",     "int8",    "uint8",  "int16",  "uint16",
                                      "int32",    "uint32",  "int64",  "uint64", "float16",
                                      "bfloat16", "float32", "float64"};
  return names[int(dtype)];
}

// IEEE 754 binary16 and bfloat16, as bits.
struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};
// One byte that holds 0 or 1.
struct Bool {
  uint8_t value;
};

static inline float to_float(BFloat16 x) { return std::bit_cast<float>(uint32_t(x.bits) << 16); }
static inline float to_float(Float16 x) {
  // Shift exponent and mantissa into position, then correct the exponent's bias by one exact
  // multiplication by 2^112, which also normalizes subnormals.
  uint32_t magnitude = uint32_t(x.bits & 0x7fff) << 13;
  float value = std::bit_cast<float>(magnitude) * std::bit_cast<float>(uint32_t(127 + 112) << 23);
  if ((x.bits & 0x7c00) == 0x7c00) value = std::bit_cast<float>(magnitude | 0x7f800000u);
  return x.bits & 0x8000 ? -value : value;
}

// The numeric value of an element: a double, or the integer itself.
template <class T>
auto to_number(T x) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return double(to_float(x));
  } else if constexpr (std::is_same_v<T, Bool>) {
    return uint8_t(x.value != 0);
  } else if constexpr (std::is_floating_point_v<T>) {
    return double(x);
  } else {
    return x;
  }
}

template <class T>
inline constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// The type in which floating-point values are computed: float32 for float16 and bfloat16.
template <class T>
using ComputeType =
    std::conditional_t<std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>, float, T>;

// Calls f with a null pointer to the element type of `dtype`.
template <class F>
decltype(auto) with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kBool:
      return f((Bool*)nullptr);
    case DType::kInt8:
      return f((int8_t*)nullptr);
    case DType::kUint8:
      return f((uint8_t*)nullptr);
    case DType::kInt16:
      return f((int16_t*)nullptr);
    case DType::kUint16:
      return f((uint16_t*)nullptr);
    case DType::kInt32:
      return f((int32_t*)nullptr);
    case DType::kUint32:
      return f((uint32_t*)nullptr);
    case DType::kInt64:
      return f((int64_t*)nullptr);
    case DType::kUint64:
      return f((uint64_t*)nullptr);
    case DType::kFloat16:
      return f((Float16*)nullptr);
    case DType::kBfloat16:
      return f((BFloat16*)nullptr);
    case DType::kFloat32:
      return f((float*)nullptr);
    case DType::kFloat64:
      break;
  }
  return f((double*)nullptr);
}

// The same, restricted to the floating-point types.
template <class F>
decltype(auto) with_floating_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kFloat16:
      return f((Float16*)nullptr);
    case DType::kBfloat16:
      return f((BFloat16*)nullptr);
    case DType::kFloat32:
      return f((float*)nullptr);
    default:
      return f((double*)nullptr);
  }
}

inline int64_t size_of(DType dtype) {
  return with_type(dtype, [](auto* x) -> int64_t { return sizeof *x; });
}

}  // namespace evenly
