#include "bindings/columns.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bindings/bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

// The type of the values in the buffer of a column of numbers or times.
std::optional<DType> dtype_of_format(const char* format) {
  if (format[0] == 't') {  // "tdD", "tts", "tsu:UTC"
    const bool is_time = format[1] == 't', is_date = format[1] == 'd';
    if (!is_time && !is_date && format[1] != 's' && format[1] != 'D') return {};
    const char unit = format[2];
    const bool is_short = (is_date && unit == 'D') || (is_time && (unit == 's' || unit == 'm'));
    return is_short ? DType::kInt32 : DType::kInt64;
  }
  constexpr std::pair<char, DType> kNumbers[] = {
      {'g', DType::kFloat64}, {'f', DType::kFloat32}, {'e', DType::kFloat16}, {'l', DType::kInt64},
      {'L', DType::kUint64},  {'i', DType::kInt32},   {'I', DType::kUint32},  {'s', DType::kInt16},
      {'S', DType::kUint16},  {'c', DType::kInt8},    {'C', DType::kUint8}};
  for (auto [letter, dtype] : kNumbers) {
    if (format[0] == letter && format[1] == 0) return dtype;
  }
  return {};
}

// Rows from `start` of an array whose values are in a buffer. Returns nothing for other arrays and
// for those that are too short or not aligned.
std::optional<ArrowColumn> column_of(const ArrowSchema& schema, const ArrowArray& array,
                                     int64_t start, int64_t rows) {
  const std::optional<DType> dtype = dtype_of_format(schema.format);
  if (!dtype || schema.dictionary || array.n_buffers != 2 || array.offset < 0 ||
      array.length < start + rows)
    return {};
  const int64_t size = size_of(*dtype), first = array.offset + start;
  const auto* values = static_cast<const char*>(array.buffers[1]);
  if ((!values && rows > 0) || reinterpret_cast<uintptr_t>(values) % uintptr_t(size) != 0)
    return {};
  ArrowColumn column;
  column.values = {values ? values + first * size : nullptr, *dtype, {rows}, {1}, -1};
  if (array.buffers[0] && array.null_count != 0) {
    column.validity = static_cast<const uint8_t*>(array.buffers[0]);
    column.bit_offset = first;
  }
  return column;
}

// The names of the fields of a schema, and their formats if these say all about the type.
nb::tuple read_fields(uintptr_t address) {
  const auto* schema = reinterpret_cast<const ArrowSchema*>(address);
  nb::list names, formats;
  for (int64_t i = 0; i < schema->n_children; ++i) {
    const ArrowSchema& child = *schema->children[i];
    const bool plain = !child.dictionary && child.n_children == 0 && dtype_of_format(child.format);
    names.append(nb::str(child.name ? child.name : ""));
    formats.append(nb::str(plain ? child.format : ""));
  }
  return nb::make_tuple(names, formats);
}

nb::dlpack::dtype dlpack_type(DType dtype) {
  return with_type(dtype, [](auto* type) -> nb::dlpack::dtype {
    using T = std::remove_pointer_t<decltype(type)>;
    if constexpr (std::is_same_v<T, Bool>) {
      return nb::dtype<bool>();
    } else if constexpr (std::is_same_v<T, Float16>) {
      return {uint8_t(nb::dlpack::dtype_code::Float), 16, 1};
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      return {uint8_t(nb::dlpack::dtype_code::Bfloat), 16, 1};
    } else {
      return nb::dtype<T>();
    }
  });
}

// The columns as values, validity bitmap and bit offset; None for a column that is not set.
nb::list to_arrays(const nb::object& self) {
  const Columns& columns = *nb::inst_ptr<Columns>(self);
  nb::list arrays;
  for (const ArrowColumn& column : columns.all()) {
    if (column.values.shape.empty()) {
      arrays.append(nb::none());
      continue;
    }
    const std::size_t rows = std::size_t(columns.rows());
    nb::ndarray<nb::numpy, nb::ro> values(column.values.data, 1, &rows, self,
                                          column.values.strides.data(),
                                          dlpack_type(column.values.dtype));
    nb::object bitmap = nb::none();
    if (column.validity) {
      const std::size_t bytes = (std::size_t(column.bit_offset) + rows + 7) / 8;
      bitmap = nb::cast(nb::ndarray<nb::numpy, const uint8_t>(column.validity, 1, &bytes, self));
    }
    arrays.append(nb::make_tuple(values, bitmap, column.bit_offset));
  }
  return arrays;
}

nb::object present_rows(const Columns& columns, int64_t index) {
  const ArrowColumn& column = columns.at(index);
  return with_type(column.values.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const T* values = static_cast<const T*>(column.values.data);
    return to_mask(columns.rows(), [&](int64_t row) {
      const double value = double(to_number(values[row * column.values.strides[0]]));
      return value == value && column.has_value(row);
    });
  });
}

}  // namespace

Columns::Columns(int64_t count, int64_t rows) : rows_(rows) {
  if (count < 0 || rows < 0) throw nb::value_error("count and rows must not be negative");
  columns_.resize(std::size_t(count));
}

void Columns::set(int64_t index, const AnyArray& values, const std::optional<Bitmap>& validity,
                  int64_t bit_offset) {
  check_column(index, size());
  ArrowColumn column = to_columns({values}, {validity}, {bit_offset})[0];
  if (column.length() != rows_) throw nb::value_error("a column must have a value for each row");
  columns_[std::size_t(index)] = column;
  arrays_.push_back(values);
  if (validity) bitmaps_.push_back(*validity);
}

void Columns::set_matrix(const std::vector<int64_t>& indices, const AnyArray& values) {
  if (values.ndim() != 2 || values.shape(1) != indices.size() || int64_t(values.shape(0)) != rows_)
    throw nb::value_error("values must have two dimensions: these rows, and a column per index");
  const Array array = to_array(values, 1, std::nullopt);
  const int64_t size = size_of(array.dtype);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    check_column(indices[i], this->size());
    const char* first = static_cast<const char*>(array.data) + int64_t(i) * array.strides[1] * size;
    columns_[std::size_t(indices[i])].values = {
        first, array.dtype, {rows_}, {array.strides[0]}, -1};
  }
  arrays_.push_back(values);
}

Columns Columns::rows_from(int64_t start, int64_t stop) const {
  if (start < 0 || stop < start || stop > rows_) throw nb::index_error("no such rows");
  Columns part = *this;
  part.rows_ = stop - start;
  for (ArrowColumn& column : part.columns_) {
    Array& values = column.values;
    values.data = static_cast<const char*>(values.data) +
                  start * values.strides.at(0) * size_of(values.dtype);
    values.shape = {stop - start};
    column.bit_offset += start;
  }
  return part;
}

std::vector<int64_t> Columns::set_arrow(const ArrowSchema& schema, const ArrowArray& array,
                                        const std::vector<int64_t>& positions,
                                        const nb::object& owner) {
  if (positions.size() != columns_.size() || array.length != rows_ ||
      array.n_children != schema.n_children)
    throw nb::value_error("positions must have an entry per column, and the array these rows");
  owners_.push_back(owner);
  std::vector<int64_t> others;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const int64_t at = positions[i];
    check_column(at, array.n_children);
    auto column = column_of(*schema.children[at], *array.children[at], array.offset, rows_);
    if (column) {
      columns_[i] = *std::move(column);
    } else {
      others.push_back(int64_t(i));
    }
  }
  return others;
}

std::vector<std::string> Columns::dtypes() const {
  std::vector<std::string> names;
  for (const ArrowColumn& column : complete()) names.emplace_back(name_of(column.values.dtype));
  return names;
}

const std::vector<ArrowColumn>& Columns::complete() const {
  for (const ArrowColumn& column : columns_) {
    if (column.values.shape.empty()) throw nb::value_error("every column must be set");
  }
  return columns_;
}

const ArrowColumn& Columns::at(int64_t index) const {
  check_column(index, size());
  return complete()[std::size_t(index)];
}

void bind_columns(nb::module_& m) {
  nb::class_<Columns>(m, "Columns",
                      "Columns of equal length, as views of memory of other libraries.")
      .def(nb::init<int64_t, int64_t>(), "count"_a, "rows"_a)
      .def_prop_ro("rows", &Columns::rows, "The number of rows.")
      .def_prop_ro(
          "nbytes",
          [](const Columns& self) {
            int64_t width = 0;
            for (const ArrowColumn& column : self.complete()) width += size_of(column.values.dtype);
            return width * self.rows();
          },
          "The number of bytes of all values.")
      .def("dtypes", &Columns::dtypes, "Returns the names of the dtypes.")
      .def("set", &Columns::set, "index"_a, "values"_a, "validity"_a = nb::none(),
           "bit_offset"_a = 0, "Sets a column to an array with a validity bitmap or None.")
      .def("set_matrix", &Columns::set_matrix, "indices"_a, "values"_a,
           "Sets the columns at `indices` to those of an array of two dimensions.")
      .def("rows_from", &Columns::rows_from, "start"_a, "stop"_a,
           "Returns a range of rows without copying.")
      .def("__len__", &Columns::size)
      .def(
          "set_arrow",
          [](Columns& self, uintptr_t schema, uintptr_t array,
             const std::vector<int64_t>& positions, const nb::object& owner) {
            return self.set_arrow(*reinterpret_cast<const ArrowSchema*>(schema),
                                  *reinterpret_cast<const ArrowArray*>(array), positions, owner);
          },
          "schema"_a, "array"_a, "positions"_a, "owner"_a,
          "Sets all columns to children of a struct array, given by the addresses of its Arrow C "
          "data, which the owner keeps alive. Returns the indices of columns that are not numbers "
          "or times in a buffer; these are not set.")
      .def("arrays", &to_arrays,
           nb::sig("def arrays(self) -> list[tuple[numpy.typing.NDArray[typing.Any], "
                   "numpy.typing.NDArray[numpy.uint8] | None, int] | None]"),
           "Returns the values, the validity bitmap or None, and the bit offset of each column; "
           "None for a column that is not set.")
      .def("present", &present_rows, "index"_a,
           nb::sig("def present(self, index: int) -> numpy.typing.NDArray[numpy.bool_]"),
           "Returns whether each row of a column has a value.");
  m.def(
      "read_fields", &read_fields, "schema"_a,
      nb::sig("def read_fields(schema: int) -> tuple[list[str], list[str]]"),
      "Returns the names and the formats of the children of an Arrow schema, given by its address. "
      "A format is empty if the child is not a column of numbers or times in a buffer.");
}

}  // namespace evenly
