// What Python sees of the core: names, types and documents. No arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>

#include "accumulate.h"
#include "binding_batch_norm.h"
#include "binding_numbering.h"
#include "group_sum.h"
#include "moments.h"
#include "pack.h"
#include "readout.h"
#include "scale.h"
#include "threads.h"
#include "tile.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;
using Weights = nb::ndarray<const double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const int64_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Bitmap = nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Constants = nb::ndarray<const double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Number = std::pair<nb::int_, int>;  // mantissa * 2^exponent

// ---- Arrays in ---------------------------------------------------------------------------

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

Array array_of(const AnyArray& x, int feature_axis, const std::optional<std::string>& dtype) {
  Array array;
  array.data = x.data();
  array.dtype = dtype_of(x, dtype);
  int ndim = int(x.ndim());
  for (int i = 0; i < ndim; ++i) {
    array.shape.push_back(int64_t(x.shape(size_t(i))));
    array.strides.push_back(x.stride(size_t(i)));
  }
  if (ndim == 0) throw nb::value_error("an array needs at least one dimension");
  if (feature_axis < -ndim || feature_axis >= ndim)
    throw nb::value_error("feature_axis is out of range");
  // One dimension: the rows of one column.
  array.feature_axis = ndim == 1 ? -1 : (feature_axis + ndim) % ndim;
  return array;
}

int threads_of(int threads) { return threads > 0 ? threads : default_threads(); }

const double* weights_of(const std::optional<Weights>& weights, int64_t rows) {
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

using Infinity = std::optional<std::pair<int64_t, int64_t>>;  // (row, column)

// Adds what `data` holds to moments, unless there is an infinity in it.
template <class Data>
Infinity add_data(Moments& moments, const Data& data, const AccumulateOptions& options,
                  int64_t first_column = 0) {
  nb::gil_scoped_release release;
  bool infinite = false;
  std::vector<Column> columns = accumulate(data, options, infinite);
  if (!infinite) {
    moments.add(std::move(columns), first_column);
    return {};
  }
  Place place = first_infinity(data, options.weights);
  return std::pair(place.row, place.column);
}

Infinity update(Moments& moments, const AnyArray& x, int feature_axis,
                const std::optional<Weights>& weights, bool infinite_as_missing, int threads,
                const std::optional<std::string>& dtype) {
  Array array = array_of(x, feature_axis, dtype);
  if (array.columns() != moments.size()) {
    std::string text = "expected " + std::to_string(moments.size()) + " columns, received " +
                       std::to_string(array.columns());
    throw nb::value_error(text.c_str());
  }
  return add_data(moments, array,
                  {infinite_as_missing, threads_of(threads), weights_of(weights, array.rows())});
}

// Columns of equal length, each with an Arrow validity bitmap or None.
std::vector<ArrowColumn> columns_of(const std::vector<AnyArray>& values,
                                    const std::vector<std::optional<Bitmap>>& validity,
                                    const std::vector<int64_t>& bit_offsets) {
  if (validity.size() != values.size() || bit_offsets.size() != values.size()) {
    throw nb::value_error("values, validity and bit_offsets must have one entry for each column");
  }
  std::vector<ArrowColumn> columns;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].ndim() != 1) throw nb::value_error("a column must be one-dimensional");
    ArrowColumn column{array_of(values[i], 0, std::nullopt)};
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

Infinity update_columns(Moments& moments, const std::vector<AnyArray>& values,
                        const std::vector<std::optional<Bitmap>>& validity,
                        const std::vector<int64_t>& bit_offsets,
                        const std::optional<Weights>& weights, bool infinite_as_missing,
                        int threads, int64_t first_column) {
  if (first_column < 0 || first_column > moments.size() - int64_t(values.size()))
    throw nb::value_error("there must be a column in the state for each of the values");
  std::vector<ArrowColumn> columns = columns_of(values, validity, bit_offsets);
  int64_t rows = columns.empty() ? 0 : columns[0].values.shape[0];
  return add_data(moments, columns,
                  {infinite_as_missing, threads_of(threads), weights_of(weights, rows)},
                  first_column);
}

void check_places(const Moments& moments, const Places& places, int64_t width) {
  const int64_t most = moments.size() / width + int64_t(places.shape(0));
  for (size_t i = 0; i < places.shape(0); ++i) {
    if (places.data()[i] < 0 || places.data()[i] >= most)
      throw nb::value_error("a group's place must be one in the state, or one of as many new ones");
  }
}

Infinity update_groups(Moments& moments, const std::vector<AnyArray>& values,
                       const std::vector<std::optional<Bitmap>>& validity,
                       const std::vector<int64_t>& bit_offsets, const Places& codes,
                       const Places& places, const std::optional<Weights>& weights,
                       bool infinite_as_missing, int threads) {
  std::vector<ArrowColumn> columns = columns_of(values, validity, bit_offsets);
  if (columns.empty()) throw nb::value_error("there must be at least one column");
  RowGroups groups{codes.data(), int64_t(codes.shape(0)), int64_t(places.shape(0))};
  if (groups.rows != columns[0].values.shape[0])
    throw nb::value_error("codes must have one value for each row");
  for (int64_t row = 0; row < groups.rows; ++row) {
    if (groups.codes[row] < 0 || groups.codes[row] >= groups.count)
      throw nb::value_error("there must be a place for each code");
  }
  check_places(moments, places, int64_t(columns.size()));
  AccumulateOptions options{infinite_as_missing, threads_of(threads),
                            weights_of(weights, groups.rows)};
  nb::gil_scoped_release release;
  bool infinite = false;
  std::vector<Column> sums = accumulate_groups(columns, groups, options, infinite);
  if (!infinite) {
    moments.add_groups(std::move(sums), int64_t(columns.size()), places.data());
    return {};
  }
  Place place = first_infinity(columns, options.weights);
  return std::pair(place.row, place.column);
}

Infinity update_slices(Moments& moments, const AnyArray& values, const Places& starts,
                       const std::optional<Weights>& weights, bool infinite_as_missing,
                       int threads) {
  if (values.ndim() != 1) throw nb::value_error("values must be one-dimensional");
  Array array = array_of(values, 0, std::nullopt);
  int64_t count = int64_t(starts.shape(0)) - 1;
  if (count != moments.size())
    throw nb::value_error("starts must have one value more than the state has columns");
  for (int64_t i = 0; i < count; ++i) {
    if (starts.data()[i] > starts.data()[i + 1]) throw nb::value_error("starts must not fall");
  }
  if (starts.data()[0] != 0 || starts.data()[count] != array.rows())
    throw nb::value_error("starts must go from 0 to the number of values");
  return add_data(moments, Slices{array, starts.data(), count},
                  {infinite_as_missing, threads_of(threads), weights_of(weights, array.rows())});
}

void merge_groups(Moments& moments, const Moments& other, int64_t width, const Places& places) {
  if (width < 1 || other.size() != width * int64_t(places.shape(0)))
    throw nb::value_error("other must have `width` columns for each place");
  check_places(moments, places, width);
  nb::gil_scoped_release release;
  moments.add_groups(other.snapshot(), width, places.data());
  if (other.extremes_are_bounds()) moments.set_extremes_are_bounds(true);
}

void fill_with_zeros(Moments& moments, const Moments& rows) {
  if (rows.size() != 1) throw nb::value_error("rows must be a state of one column");
  int64_t column = -1;
  {
    nb::gil_scoped_release release;
    column = moments.fill_with_zeros(rows.column(0));
  }
  if (column >= 0) throw nb::value_error("a column must not have more rows than there are");
}

void check_same_size(const Moments& a, const Moments& b) {
  if (a.size() != b.size())
    throw nb::value_error("the states must have the same number of columns");
}

// ---- Numbers out and in ------------------------------------------------------------------

// Python's int from limbs, through the only public door that takes any length: text.
nb::int_ integer_of(const Dyadic& value) {
  if (value.limbs.empty()) return nb::int_(0);
  if (value.limbs.size() == 1 && value.limbs[0] < uint64_t(1) << 62) {
    int64_t small = int64_t(value.limbs[0]);
    return nb::int_(value.negative ? -small : small);
  }
  static const char digits[] = "0123456789abcdef";
  std::string text(value.negative ? "-" : "");
  for (size_t i = value.limbs.size(); i-- > 0;) {
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[value.limbs[i] >> shift & 15];
  }
  PyObject* integer = PyLong_FromString(text.c_str(), nullptr, 16);
  if (!integer) throw nb::python_error();
  return nb::steal<nb::int_>(integer);
}

Number number_of(const Exact& value) {
  Dyadic dyadic = value.dyadic();
  return {integer_of(dyadic), dyadic.exponent};
}

Exact exact_of(const Number& number) {
  if (number.second < -4096 || number.second > 4096)
    throw nb::value_error("an exponent must lie within ±4096");
  nb::str text = nb::steal<nb::str>(PyNumber_ToBase(number.first.ptr(), 16));
  std::string hex = text.c_str();
  Dyadic value;
  value.negative = hex[0] == '-';
  hex = hex.substr(value.negative ? 3 : 2);
  if (hex.size() > 4096) throw nb::value_error("a mantissa must be below 2^16384");
  for (size_t end = hex.size(); end > 0; end -= std::min<size_t>(end, 16)) {
    size_t begin = end > 16 ? end - 16 : 0;
    value.limbs.push_back(std::stoull(hex.substr(begin, end - begin), nullptr, 16));
  }
  value.exponent = number.second;
  Exact exact;
  exact.assign(value);
  return exact;
}

template <class Read>
std::vector<Number> numbers_of(const Moments& moments, Read&& read) {
  std::vector<Number> numbers;
  for (const Column& column : moments.snapshot()) numbers.push_back(number_of(read(column)));
  return numbers;
}

nb::object object_of(const Value& value) {
  if (value.rest == 0) return nb::float_(value.nearest);
  nb::int_ nearest = nb::steal<nb::int_>(PyLong_FromDouble(value.nearest));
  return nearest + nb::int_(int(value.rest));
}

nb::list extremes_of(const Moments& moments) {
  nb::list pairs;
  for (const Column& column : moments.snapshot()) {
    if (column.has_values()) {
      pairs.append(nb::make_tuple(object_of(column.min), object_of(column.max)));
    } else {
      pairs.append(nb::make_tuple(nb::none(), nb::none()));
    }
  }
  return pairs;
}

Value value_of_object(nb::handle object) {
  if (!PyLong_Check(object.ptr())) return value_of(nb::cast<double>(object));
  int overflow = 0;
  long long small = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (!overflow) return value_of_integer(int64_t(small));
  unsigned long long large = PyLong_AsUnsignedLongLong(object.ptr());
  if (PyErr_Occurred()) throw nb::python_error();
  return value_of_integer(uint64_t(large));
}

void set_column(Moments& moments, int64_t index, const Number& count, const Number& missing,
                const Number& sum, const Number& squares, nb::object min, nb::object max) {
  if (index < 0 || index >= moments.size()) throw nb::index_error("no such column");
  Column column;
  column.add_count(exact_of(count));
  column.add_missing(exact_of(missing));
  column.sum = exact_of(sum);
  column.squares = exact_of(squares);
  if (!min.is_none()) {
    column.include(value_of_object(min));
    column.include(value_of_object(max));
  }
  moments.set_column(index, std::move(column));
}

Moments* take(const Moments& moments, const std::vector<int64_t>& indices) {
  std::vector<Column> taken = moments.with_columns([&](const std::vector<Column>& all) {
    std::vector<Column> chosen;
    for (int64_t index : indices) {
      if (index < 0 || index >= int64_t(all.size())) throw nb::index_error("no such column");
      chosen.push_back(all[size_t(index)]);
    }
    return chosen;
  });
  return new Moments(std::move(taken), moments.extremes_are_bounds());
}

using Readings = nb::ndarray<double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;

const char* read_scaling(const Moments& moments, int64_t correction, bool inverse,
                         const Readings& high, const Readings& low, const Readings& factor) {
  auto columns = size_t(moments.size());
  if (high.shape(0) != columns || low.shape(0) != columns || factor.shape(0) != columns) {
    throw nb::value_error("hi, lo and factor must have one value for each column");
  }
  static const char* const words[] = {"certain", "undefined", "unsure"};
  return words[int(moments.with_columns([&](const std::vector<Column>& all) {
    return read(all, correction, inverse, high.data(), low.data(), factor.data());
  }))];
}

// ---- Scaling -----------------------------------------------------------------------------

using Output = nb::ndarray<nb::device::cpu>;

void scale_array(const AnyArray& x, const Output& out, int feature_axis, const Constants& high,
                 const Constants& low, const Constants& factor, bool inverse, bool nan_to_zero,
                 int threads, const std::optional<std::string>& x_dtype,
                 const std::optional<std::string>& out_dtype) {
  Array from = array_of(x, feature_axis, x_dtype);
  Array to = array_of(AnyArray(out), feature_axis, out_dtype);
  if (from.shape != to.shape) throw nb::value_error("x and out must have the same shape");
  if (to.dtype < DType::kFloat16) throw nb::type_error("out must be of a floating-point type");
  auto columns = size_t(from.columns());
  if (high.shape(0) != columns || low.shape(0) != columns || factor.shape(0) != columns) {
    throw nb::value_error("hi, lo and factor must have one value for each column");
  }
  nb::gil_scoped_release release;
  scale(from, to,
        {high.data(), low.data(), factor.data(), inverse, nan_to_zero, threads_of(threads)});
}

std::vector<std::string> names_of_kernels() {
  std::vector<std::string> names;
  for (const char* const* name = kernel_names(); *name; ++name) names.emplace_back(*name);
  return names;
}

void check_forced_kernel() {
  const char* wanted = std::getenv("EVENLY_KERNEL");
  if (!wanted || std::string(wanted) == chosen_kernel_name()) return;
  std::string text = "EVENLY_KERNEL must name a kernel that this processor can run:";
  for (const std::string& name : names_of_kernels()) text += " " + name;
  text += "; received " + std::string(wanted);
  throw std::runtime_error(text);
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "evenly's core: exact sums and the kernels that make them, without Python.";
  check_forced_kernel();
  // At exit Python may not collect what others still hold; that is no leak of ours.
  nb::set_leak_warnings(false);

  nb::class_<Moments>(m, "State",
                      "Count, missing, sum, sum of squares and extremes of each column, exactly.")
      .def(nb::init<int64_t>(), "columns"_a)
      .def_prop_ro("columns", &Moments::size, "The number of columns.")
      .def_prop_ro("nbytes", &Moments::bytes, "Bytes that the state takes.")
      .def_prop_rw("extremes_are_bounds", &Moments::extremes_are_bounds,
                   &Moments::set_extremes_are_bounds,
                   "Whether a subtraction has made the extremes bounds.")
      .def("update", &update, "x"_a, "feature_axis"_a = -1, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0, "dtype"_a = nb::none(),
           "Adds the rows of an array. Returns None, or (row, column) of the first infinity, and "
           "then nothing was added.")
      .def("update_columns", &update_columns, "values"_a, "validity"_a, "bit_offsets"_a,
           "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "first_column"_a = 0,
           "The same for columns of equal length, each with an Arrow validity bitmap or None: "
           "the state's from first_column on.")
      .def("grow", &Moments::grow, "columns"_a, "Makes room for more columns, at the end.")
      .def("update_groups", &update_groups, "values"_a, "validity"_a, "bit_offsets"_a, "codes"_a,
           "places"_a, "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "The same for rows of groups, each of which has len(values) columns of the state: a row "
           "of code c adds to group places[c]. New groups get columns at the end.")
      .def("update_slices", &update_slices, "values"_a, "starts"_a, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0,
           "The same for columns whose values follow each other: column i has those from starts[i] "
           "to starts[i + 1]. The row of an infinity is its place among all values.")
      .def("fill_with_zeros", &fill_with_zeros, "rows"_a,
           "Adds to each column as many zeros as `rows`, a state of one column, has rows more.")
      .def("merge_groups", &merge_groups, "other"_a, "width"_a, "places"_a,
           "Adds other in place, its i-th group of `width` columns to ours at places[i].")
      .def(
          "merge",
          [](Moments& self, const Moments& other) {
            check_same_size(self, other);
            nb::gil_scoped_release release;
            self.add(other);
          },
          "other"_a, "Adds other, in place.")
      .def(
          "remove",
          [](Moments& self, const Moments& other) {
            check_same_size(self, other);
            nb::gil_scoped_release release;
            return self.subtract(other);
          },
          "other"_a,
          "Subtracts other, in place. Returns -1, or the first column that does not contain it, "
          "and then nothing was subtracted.")
      .def("copy",
           [](const Moments& self) {
             return new Moments(self.snapshot(), self.extremes_are_bounds());
           })
      .def("take", &take, "indices"_a, "A new state of these columns.")
      .def(
          "__eq__", [](const Moments& self, const Moments& other) { return self == other; },
          "Equal count, missing, sum and sum of squares.")
      .def(
          "counts",
          [](const Moments& m) {
            return numbers_of(m, [](const Column& c) { return c.total_count(); });
          },
          "Total weight of the values, as (mantissa, exponent).")
      .def(
          "missings",
          [](const Moments& m) {
            return numbers_of(m, [](const Column& c) { return c.total_missing(); });
          },
          "Total weight of the rows without a value, as (mantissa, exponent).")
      .def(
          "sums",
          [](const Moments& m) {
            return numbers_of(m, [](const Column& c) -> const Exact& { return c.sum; });
          },
          "Sum of the values, as (mantissa, exponent).")
      .def(
          "squares",
          [](const Moments& m) {
            return numbers_of(m, [](const Column& c) -> const Exact& { return c.squares; });
          },
          "Sum of the values' squares, as (mantissa, exponent).")
      .def("read_scaling", &read_scaling, "correction"_a, "inverse"_a, "hi"_a, "lo"_a, "factor"_a,
           nb::call_guard<nb::gil_scoped_release>(),
           "Writes the mean as hi + lo and 1 / std (or std), correctly rounded. Returns "
           "\"certain\"; "
           "\"undefined\" when a column has not more values than correction (factor 0); or "
           "\"unsure\", and then nothing that was written counts.")
      .def("extremes", &extremes_of, "(min, max) of each column, (None, None) without values.")
      .def(
          "pack",
          [](const Moments& self) {
            std::string bytes;
            {
              nb::gil_scoped_release release;
              bytes = pack(self);
            }
            return nb::bytes(bytes.data(), bytes.size());
          },
          "The state as bytes, for this version only.")
      .def_static(
          "unpack",
          [](const nb::bytes& packed) {
            auto bytes = static_cast<const uint8_t*>(packed.data());
            nb::gil_scoped_release release;
            bool bounds = false;
            std::vector<Column> columns = unpack(bytes, packed.size(), bounds);
            return new Moments(std::move(columns), bounds);
          },
          "packed"_a, "The state in bytes of `pack`; ValueError for any that it cannot have made.")
      .def("set_column", &set_column, "index"_a, "count"_a, "missing"_a, "sum"_a, "squares"_a,
           "min"_a.none(), "max"_a.none(), "Replaces a column's state.");

  m.def("scale", &scale_array, "x"_a, "out"_a, "feature_axis"_a, "hi"_a, "lo"_a, "factor"_a,
        "inverse"_a = false, "nan_to_zero"_a = false, "threads"_a = 0, "x_dtype"_a = nb::none(),
        "out_dtype"_a = nb::none(),
        "out = ((x - hi) - lo) * factor, or with inverse x * factor + lo + hi.");
  bind_batch_norm(m);
  bind_numbering(m);
  m.def("num_threads", &default_threads, "Threads used when none are named.");
  m.def("runtime", &runtime_name, "Whose threads are used.");
  m.def("kernel", [] { return std::string(chosen_kernel_name()); }, "The kernels in use.");
  m.def("kernels", &names_of_kernels, "The kernels that EVENLY_KERNEL may name here.");
}

}  // namespace evenly
