// Normalizes contiguous values, with the chosen kernel where there is one for their types.
#pragma once

#include <type_traits>

#include "base/int128.h"
#include "base/rounding.h"
#include "kernels/kernel_table.h"

namespace evenly {

struct ScaleNumbers {
  double high, low, factor;
};

// The result for one value, before it is rounded to the output's type.
template <class T>
double scaled_value(T element, const ScaleNumbers& by, bool inverse) {
  auto value = to_number(element);
  double x = double(value);
  if (inverse) return (x * by.factor + by.low) + by.high;
  double centered = (x - by.high) - by.low;
  // A 64-bit integer may not fit into a double; the difference is taken into account.
  if constexpr (std::is_integral_v<decltype(value)> && sizeof(value) == 8) {
    double rest = double(int64_t(int128(value) - int128(x)));
    centered = (x - by.high) + (rest - by.low);
  }
  return centered * by.factor;
}

template <class In>
bool is_nan(In element) {
  double x = double(to_number(element));
  return x != x;
}

template <class In, class Out>
void scale_run(const In* x, Out* out, int64_t count, const ScaleLines& row) {
  const Kernels* kernels = chosen_kernels();
  if constexpr (std::is_same_v<In, float> && std::is_same_v<Out, float>) {
    if (kernels) return kernels->scale_float32(x, out, count, row);
  } else if constexpr (std::is_same_v<In, double> && std::is_same_v<Out, double>) {
    if (kernels) return kernels->scale_float64(x, out, count, row);
  }
  for (int line = 0; line < row.lines; ++line, x += row.x_step, out += row.out_step) {
    for (int64_t i = 0; i < count; ++i) {
      int64_t c = row.broadcast ? 0 : i;
      double y = scaled_value(x[i], {row.high[c], row.low[c], row.factor[c]}, row.inverse);
      round_to(row.nan_to_zero && is_nan(x[i]) ? 0 : y, out[i]);
    }
  }
}

}  // namespace evenly
