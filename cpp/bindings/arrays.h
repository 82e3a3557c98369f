// Converts Python arrays into the core's array views.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/array_view.h"
#include "sum/accumulate.h"

namespace evenly {

using AnyArray = nanobind::ndarray<nanobind::ro, nanobind::device::cpu>;
template <class T>
using Vector = nanobind::ndarray<T, nanobind::shape<-1>, nanobind::c_contig, nanobind::device::cpu>;
using Weights = Vector<const double>;
using Bitmap = Vector<const uint8_t>;

// `dtype` may be "bfloat16" for 16-bit elements; by default the array's own dtype is used.
Array to_array(const AnyArray& x, int feature_axis, const std::optional<std::string>& name);

// Columns of equal length, each with an Arrow validity bitmap or None.
std::vector<ArrowColumn> to_columns(const std::vector<AnyArray>& values,
                                    const std::vector<std::optional<Bitmap>>& validity,
                                    const std::vector<int64_t>& bit_offsets);

// Checks that there is one finite, non-negative weight per row. Returns null for None.
const double* to_weights(const std::optional<Weights>& weights, int64_t rows);

// Throws IndexError if there is no such column.
void check_column(int64_t index, int64_t columns);

// Moves values into a NumPy array.
template <class T>
nanobind::ndarray<nanobind::numpy, T, nanobind::shape<-1>> to_numpy(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nanobind::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return {kept->data(), {kept->size()}, owner};
}

// A NumPy array of is_set(row) for each row.
template <class F>
nanobind::object to_mask(int64_t rows, F&& is_set) {
  bool* mask = new bool[std::size_t(rows)];
  nanobind::capsule owner(mask, [](void* p) noexcept { delete[] static_cast<bool*>(p); });
  for (int64_t row = 0; row < rows; ++row) mask[row] = is_set(row);
  using Mask = nanobind::ndarray<nanobind::numpy, bool, nanobind::shape<-1>>;
  return nanobind::cast(Mask(mask, {std::size_t(rows)}, owner));
}

// The given number of threads, or the default if it is 0.
int thread_count(int threads);
// The same for an array. One thread is enough for a small one, and no system call asks for more.
int thread_count(int threads, const Array& array);

}  // namespace evenly
