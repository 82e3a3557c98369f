// Selects the floating-point kernels by type.
#pragma once

#include <type_traits>

#include "kernels/kernel_table.h"

namespace evenly {

template <class T>
RowsKernel<T> rows_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.float32;
  if constexpr (std::is_same_v<T, double>) return kernels.float64;
  if constexpr (std::is_same_v<T, Float16>) return kernels.float16;
  if constexpr (std::is_same_v<T, BFloat16>) return kernels.bfloat16;
}
template <class C>
StartKernel<C> start_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<C, float>) return kernels.start_float32;
  if constexpr (std::is_same_v<C, double>) return kernels.start_float64;
}
template <class C>
FinishKernel<C> finish_kernel(const Kernels& kernels) {
  if constexpr (std::is_same_v<C, float>) return kernels.finish_float32;
  if constexpr (std::is_same_v<C, double>) return kernels.finish_float64;
}

}  // namespace evenly
