// Maps element types to their accumulators.
#pragma once

#include <type_traits>

#include "sum/float_accumulator.h"
#include "sum/int_accumulator.h"

namespace evenly {

// Bool is summed as the byte that stores it.
template <class T>
using StorageType = std::conditional_t<std::is_same_v<T, Bool>, uint8_t, T>;
template <class T>
using AccumulatorFor =
    std::conditional_t<kIsFloating<T>, FloatAccumulator<T>, IntAccumulator<StorageType<T>>>;

}  // namespace evenly
