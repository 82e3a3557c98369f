#include "bindings/arrays.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <limits>

#include "base/partition.h"
#include "base/thread_pool.h"

namespace nb = nanobind;

namespace evenly {
namespace {

DType dtype_of(const AnyArray& array, const std::optional<std::string>& name) {
  nb::dlpack::dtype type = array.dtype();
  auto code = nb::dlpack::dtype_code(type.code);
  if (name) {
    if (*name == "bfloat16" && type.bits == 16) return DType::kBfloat16;
    throw nb::type_error("dtype must be None, or \"bfloat16\" for an array of 16-bit elements");
  }
  if (type.lanes == 1) {
    switch (code) {
      case nb::dlpack::dtype_code::Bool:
        if (type.bits == 8) return DType::kBool;
        break;
      case nb::dlpack::dtype_code::Int:
        if (type.bits == 8) return DType::kInt8;
        if (type.bits == 16) return DType::kInt16;
        if (type.bits == 32) return DType::kInt32;
        if (type.bits == 64) return DType::kInt64;
        break;
      case nb::dlpack::dtype_code::UInt:
        if (type.bits == 8) return DType::kUint8;
        if (type.bits == 16) return DType::kUint16;
        if (type.bits == 32) return DType::kUint32;
        if (type.bits == 64) return DType::kUint64;
        break;
      case nb::dlpack::dtype_code::Float:
        if (type.bits == 16) return DType::kFloat16;
        if (type.bits == 32) return DType::kFloat32;
        if (type.bits == 64) return DType::kFloat64;
        break;
      case nb::dlpack::dtype_code::Bfloat:
        return DType::kBfloat16;
      default:
        break;
    }
  }
  throw nb::type_error("elements must be bool, integers or floats of 16, 32 or 64 bits");
}

}  // namespace

Array to_array(const AnyArray& x, int feature_axis, const std::optional<std::string>& name) {
  Array array;
  array.data = x.data();
  array.dtype = dtype_of(x, name);
  int ndim = int(x.ndim());
  for (int i = 0; i < ndim; ++i) {
    array.shape.push_back(int64_t(x.shape(size_t(i))));
    array.strides.push_back(x.stride(size_t(i)));
  }
  if (ndim == 0) throw nb::value_error("an array needs at least one dimension");
  if (feature_axis < -ndim || feature_axis >= ndim)
    throw nb::value_error("feature_axis is out of range");
  // A one-dimensional array holds the rows of one column.
  array.feature_axis = ndim == 1 ? -1 : (feature_axis + ndim) % ndim;
  return array;
}

void check_column(int64_t index, int64_t columns) {
  if (index < 0 || index >= columns) throw nb::index_error("no such column");
}

int thread_count(int threads) { return threads > 0 ? threads : default_threads(); }

int thread_count(int threads, const Array& array) {
  const int64_t bytes = array.rows() * array.columns() * size_of(array.dtype);
  return bytes < 2 * kMinBytesPerThread ? 1 : thread_count(threads);
}

const double* to_weights(const std::optional<Weights>& weights, int64_t rows) {
  if (!weights) return nullptr;
  if (int64_t(weights->shape(0)) != rows)
    throw nb::value_error("weights must have one value for each row");
  for (size_t i = 0; i < weights->shape(0); ++i) {
    if (!(weights->data()[i] >= 0 && weights->data()[i] <= std::numeric_limits<double>::max())) {
      throw nb::value_error("weights must be finite and not negative");
    }
  }
  return weights->data();
}

std::vector<ArrowColumn> to_columns(const std::vector<AnyArray>& values,
                                    const std::vector<std::optional<Bitmap>>& validity,
                                    const std::vector<int64_t>& bit_offsets) {
  if (validity.size() != values.size() || bit_offsets.size() != values.size()) {
    throw nb::value_error("values, validity and bit_offsets must have one entry for each column");
  }
  std::vector<ArrowColumn> columns;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].ndim() != 1) throw nb::value_error("a column must be one-dimensional");
    ArrowColumn column{to_array(values[i], 0, std::nullopt)};
    int64_t rows = column.values.shape[0];
    if (rows != int64_t(values[0].shape(0)))
      throw nb::value_error("columns must have the same length");
    if (validity[i]) {
      if (bit_offsets[i] < 0 || int64_t(validity[i]->shape(0)) * 8 < bit_offsets[i] + rows) {
        throw nb::value_error("a validity bitmap must have a bit for each row");
      }
      column.validity = validity[i]->data();
      column.bit_offset = bit_offsets[i];
    }
    columns.push_back(column);
  }
  return columns;
}

}  // namespace evenly
