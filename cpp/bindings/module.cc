// What Python sees of the core: names, types and documents. No arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "base/fp_environment.h"
#include "base/mapping_guard.h"
#include "base/thread_pool.h"
#include "bindings/batch_norm.h"
#include "bindings/factorize.h"
#include "exact/consistency.h"
#include "exact/finalize.h"
#include "exact/moments.h"
#include "exact/serialize.h"
#include "kernels/tile.h"
#include "scale/scale.h"
#include "sum/accumulate.h"
#include "sum/grouped_sum.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;
using Weights = nb::ndarray<const double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const int64_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Bitmap = nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Constants = nb::ndarray<const double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using ScaledInt = std::pair<nb::int_, int>;  // mantissa * 2^exponent

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

Array to_array(const AnyArray& x, int feature_axis, const std::optional<std::string>& dtype) {
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

int thread_count(int threads) { return threads > 0 ? threads : default_threads(); }

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

// The moments with what Python keeps beside them: names, dtypes, sources. Both change in one step.
//
// Their lock is only taken by a thread that holds the GIL (or, without one, is attached to the
// interpreter), and it runs no Python code meanwhile. So a signal's exception comes before or after
// a change and never amid it, and a fork, which needs the GIL too, never finds the lock taken.
struct State : Moments {
  using Moments::Moments;
  State(const Moments& other) : Moments(other) {}
  State(Moments&& other) : Moments(std::move(other)) {}

  nb::object metadata = nb::none();
};

nb::object get_metadata(const State& state) {
  return state.with_lock([&] { return state.metadata; });
}

// To be called just before a change, under the lock: puts the new metadata there, unless what is
// there is not what was expected.
struct ReplaceMetadata {
  State& state;
  nb::object& metadata;  // what was there before goes here, to be freed without the lock
  nb::handle expected;

  bool operator()() const {
    if (expected.is_valid() && state.metadata.ptr() != expected.ptr()) return false;
    std::swap(state.metadata, metadata);
    return true;
  }
};

Moments::Precondition make_precondition(State& state, nb::object& metadata,
                                        const nb::object& expected) {
  if (metadata.is_none()) return {};
  return ReplaceMetadata{state, metadata, expected.is_none() ? nb::handle() : nb::handle(expected)};
}

using Infinity = std::optional<std::pair<int64_t, int64_t>>;  // (row, column)

// Adds what `data` holds to moments, unless there is an infinity in it.
template <class Data>
Infinity add_data(State& moments, const Data& data, const AccumulateOptions& options, int64_t rows,
                  int64_t first_column = 0) {
  bool infinite = false;
  std::vector<Column> columns;
  {
    nb::gil_scoped_release release;
    columns = accumulate(data, options, infinite);
    if (infinite) {
      Location location = find_infinity(data, options.weights);
      return std::pair(location.row, location.column);
    }
  }
  moments.add(std::move(columns), rows, first_column);
  return {};
}

Infinity update(State& moments, const AnyArray& x, int feature_axis,
                const std::optional<Weights>& weights, bool infinite_as_missing, int threads,
                const std::optional<std::string>& dtype) {
  Array array = to_array(x, feature_axis, dtype);
  if (array.columns() != moments.size()) {
    std::string text = "expected " + std::to_string(moments.size()) + " columns, received " +
                       std::to_string(array.columns());
    throw nb::value_error(text.c_str());
  }
  return add_data(moments, array,
                  {infinite_as_missing, thread_count(threads), to_weights(weights, array.rows())},
                  array.rows());
}

// Columns of equal length, each with an Arrow validity bitmap or None.
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

Infinity update_columns(State& moments, const std::vector<AnyArray>& values,
                        const std::vector<std::optional<Bitmap>>& validity,
                        const std::vector<int64_t>& bit_offsets,
                        const std::optional<Weights>& weights, bool infinite_as_missing,
                        int threads, int64_t first_column) {
  if (first_column < 0 || first_column > moments.size() - int64_t(values.size()))
    throw nb::value_error("there must be a column in the state for each of the values");
  std::vector<ArrowColumn> columns = to_columns(values, validity, bit_offsets);
  int64_t rows = columns.empty() ? 0 : columns[0].values.shape[0];
  return add_data(moments, columns,
                  {infinite_as_missing, thread_count(threads), to_weights(weights, rows)},
                  first_column == 0 ? rows : 0, first_column);
}

void check_indices(const State& moments, const Indices& indices, int64_t width) {
  const int64_t most = moments.size() / width + int64_t(indices.shape(0));
  for (size_t i = 0; i < indices.shape(0); ++i) {
    if (indices.data()[i] < 0 || indices.data()[i] >= most)
      throw nb::value_error("a group's place must be one in the state, or one of as many new ones");
  }
}

Infinity update_groups(State& moments, const std::vector<AnyArray>& values,
                       const std::vector<std::optional<Bitmap>>& validity,
                       const std::vector<int64_t>& bit_offsets, const Indices& codes,
                       const Indices& indices, const std::optional<Weights>& weights,
                       bool infinite_as_missing, int threads, nb::object metadata) {
  std::vector<ArrowColumn> columns = to_columns(values, validity, bit_offsets);
  if (columns.empty()) throw nb::value_error("there must be at least one column");
  RowGroups groups{codes.data(), int64_t(codes.shape(0)), int64_t(indices.shape(0))};
  if (groups.rows != columns[0].values.shape[0])
    throw nb::value_error("codes must have one value for each row");
  std::vector<int64_t> rows(std::size_t(groups.count));
  for (int64_t row = 0; row < groups.rows; ++row) {
    if (groups.codes[row] < 0 || groups.codes[row] >= groups.count)
      throw nb::value_error("there must be a place for each code");
    ++rows[std::size_t(groups.codes[row])];
  }
  check_indices(moments, indices, int64_t(columns.size()));
  AccumulateOptions options{infinite_as_missing, thread_count(threads),
                            to_weights(weights, groups.rows)};
  std::vector<Column> sums;
  {
    nb::gil_scoped_release release;
    bool infinite = false;
    sums = accumulate_groups(columns, groups, options, infinite);
    if (infinite) {
      Location location = find_infinity(columns, options.weights);
      return std::pair(location.row, location.column);
    }
  }
  moments.add_groups(std::move(sums), rows, int64_t(columns.size()), indices.data(), false,
                     make_precondition(moments, metadata, nb::none()));
  return {};
}

Infinity update_slices(State& moments, const AnyArray& values, const Indices& starts,
                       const std::optional<Weights>& weights, bool infinite_as_missing,
                       int threads) {
  if (values.ndim() != 1) throw nb::value_error("values must be one-dimensional");
  Array array = to_array(values, 0, std::nullopt);
  int64_t count = int64_t(starts.shape(0)) - 1;
  if (count != moments.size())
    throw nb::value_error("starts must have one value more than the state has columns");
  for (int64_t i = 0; i < count; ++i) {
    if (starts.data()[i] > starts.data()[i + 1]) throw nb::value_error("starts must not fall");
  }
  if (starts.data()[0] != 0 || starts.data()[count] != array.rows())
    throw nb::value_error("starts must go from 0 to the number of values");
  return add_data(moments, Slices{array, starts.data(), count},
                  {infinite_as_missing, thread_count(threads), to_weights(weights, array.rows())},
                  0);
}

bool merge(State& state, State& other, nb::object metadata, const nb::object& expected,
           bool consume, bool all_or_nothing) {
  Moments::Precondition precondition = make_precondition(state, metadata, expected);
  return consume && &other != &state ? state.merge(std::move(other), precondition)
                                     : state.add(other, precondition, all_or_nothing);
}

void merge_groups(State& state, State& other, int64_t width, const Indices& indices,
                  nb::object metadata, bool consume) {
  std::vector<int64_t> rows = other.group_rows();
  if (width < 1 || rows.size() != indices.shape(0) || other.size() != width * int64_t(rows.size()))
    throw nb::value_error("other must have `width` columns for each place");
  check_indices(state, indices, width);
  state.add_groups(consume ? other.release() : other.snapshot(), rows, width, indices.data(),
                   other.extremes_are_bounds(), make_precondition(state, metadata, nb::none()));
}

State* take_groups(const State& state, const Indices& indices, int64_t width) {
  const int64_t groups = state.groups(), count = int64_t(indices.shape(0));
  if (width < 0 || state.size() != width * groups)
    throw nb::value_error("the state must have `width` columns for each group");
  for (int64_t i = 0; i < count; ++i) {
    if (indices.data()[i] >= groups) throw nb::index_error("no such group");
  }
  return new State(state.take_groups(indices.data(), count, width));
}

State* total(const State& state, int64_t width) {
  if (width < 1) throw nb::value_error("a group must have at least one column");
  return new State(state.total(width));
}

void fill_with_zeros(State& moments, const State& rows) {
  if (rows.size() != 1) throw nb::value_error("rows must be a state of one column");
  if (moments.fill_with_zeros(rows.column(0)) >= 0)
    throw nb::value_error("a column must not have more rows than there are");
}

void check_same_size(const State& a, const State& b) {
  if (a.size() != b.size())
    throw nb::value_error("the states must have the same number of columns");
}

// ---- Numbers out and in ------------------------------------------------------------------

// Python's int from limbs, through the only public door that takes any length: text.
nb::int_ to_python_int(const Dyadic& value) {
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

ScaledInt to_scaled_int(const ExactSum& value) {
  Dyadic dyadic = value.dyadic();
  return {to_python_int(dyadic), dyadic.exponent};
}

ExactSum to_exact_sum(const ScaledInt& number) {
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
  ExactSum exact;
  exact.assign(value);
  return exact;
}

template <class Read>
std::vector<ScaledInt> to_scaled_ints(const State& moments, Read&& read) {
  std::vector<ScaledInt> numbers;
  for (const Column& column : moments.snapshot()) numbers.push_back(to_scaled_int(read(column)));
  return numbers;
}

nb::object to_object(const ExtremeValue& value) {
  if (value.rest == 0) return nb::float_(value.nearest);
  nb::int_ nearest = nb::steal<nb::int_>(PyLong_FromDouble(value.nearest));
  return nearest + nb::int_(int(value.rest));
}

nb::list extremes_of(const State& moments) {
  nb::list pairs;
  for (const Column& column : moments.snapshot()) {
    if (column.has_values()) {
      pairs.append(nb::make_tuple(to_object(column.min), to_object(column.max)));
    } else {
      pairs.append(nb::make_tuple(nb::none(), nb::none()));
    }
  }
  return pairs;
}

ExtremeValue extreme_value_of_object(nb::handle object) {
  if (!PyLong_Check(object.ptr())) return extreme_value(nb::cast<double>(object));
  int overflow = 0;
  long long small = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (!overflow) return extreme_value_of_integer(int64_t(small));
  unsigned long long large = PyLong_AsUnsignedLongLong(object.ptr());
  if (PyErr_Occurred()) throw nb::python_error();
  return extreme_value_of_integer(uint64_t(large));
}

void set_column(State& moments, int64_t index, const ScaledInt& count, const ScaledInt& missing,
                const ScaledInt& sum, const ScaledInt& squares, nb::object min, nb::object max) {
  if (index < 0 || index >= moments.size()) throw nb::index_error("no such column");
  ScopedFpEnvironment fp_environment;
  Column column;
  column.add_count(to_exact_sum(count));
  column.add_missing(to_exact_sum(missing));
  column.sum = to_exact_sum(sum);
  column.squares = to_exact_sum(squares);
  if (!min.is_none()) {
    column.include(extreme_value_of_object(min));
    column.include(extreme_value_of_object(max));
  }
  moments.set_column(index, std::move(column));
}

State* take(const State& state, const std::vector<int64_t>& indices) {
  for (int64_t index : indices) {
    if (index < 0 || index >= state.size()) throw nb::index_error("no such column");
  }
  return new State(state.take(indices));
}

State* take_columns(const State& state, const std::vector<int64_t>& indices, int64_t width) {
  if (width < 1 || state.size() != width * state.groups())
    throw nb::value_error("the state must have `width` columns for each group");
  for (int64_t index : indices) {
    if (index < 0 || index >= width) throw nb::index_error("no such column");
  }
  return new State(state.take_columns(indices, width));
}

State* copy(const State& state) {
  auto copied = std::make_unique<State>(static_cast<const Moments&>(state));
  copied->metadata = get_metadata(state);
  return copied.release();
}

void set_group_rows(State& state, std::vector<int64_t> rows) {
  if (rows.size() != size_t(state.groups()))
    throw nb::value_error("there must be a number of rows for each group");
  state.set_group_rows(std::move(rows));
}

void set_metadata(State& state, nb::object metadata) {
  state.with_lock([&] { std::swap(state.metadata, metadata); });
}

bool replace_metadata(State& state, nb::object metadata, const nb::object& expected) {
  return state.with_lock(ReplaceMetadata{state, metadata, expected});
}

int64_t first_impossible(const State& state) {
  const std::vector<Column> columns = state.snapshot();
  nb::gil_scoped_release release;
  auto found = std::find_if_not(columns.begin(), columns.end(), is_possible);
  return found == columns.end() ? -1 : found - columns.begin();
}

// ExactMode for some lines of Python.
class FloatingPointMode {
 public:
  void enter() { mode_.emplace(); }
  void exit(const nb::args&) { mode_.reset(); }

 private:
  std::optional<ScopedFpEnvironment> mode_;
};

using ScalingOutput = nb::ndarray<double, nb::shape<-1>, nb::c_contig, nb::device::cpu>;

const char* read_scaling(const State& moments, int64_t correction, bool inverse,
                         const ScalingOutput& high, const ScalingOutput& low,
                         const ScalingOutput& factor) {
  auto columns = size_t(moments.size());
  if (high.shape(0) != columns || low.shape(0) != columns || factor.shape(0) != columns) {
    throw nb::value_error("hi, lo and factor must have one value for each column");
  }
  static const char* const words[] = {"certain", "undefined", "unsure"};
  return words[int(moments.with_columns([&](const std::vector<Column>& all) {
    return finalize(all, correction, inverse, high.data(), low.data(), factor.data());
  }))];
}

// ---- Scaling -----------------------------------------------------------------------------

using Output = nb::ndarray<nb::device::cpu>;

void scale_array(const AnyArray& x, const Output& out, int feature_axis, const Constants& high,
                 const Constants& low, const Constants& factor, bool inverse, bool nan_to_zero,
                 int threads, const std::optional<std::string>& x_dtype,
                 const std::optional<std::string>& out_dtype) {
  Array from = to_array(x, feature_axis, x_dtype);
  Array to = to_array(AnyArray(out), feature_axis, out_dtype);
  if (from.shape != to.shape) throw nb::value_error("x and out must have the same shape");
  if (to.dtype < DType::kFloat16) throw nb::type_error("out must be of a floating-point type");
  auto columns = size_t(from.columns());
  if (high.shape(0) != columns || low.shape(0) != columns || factor.shape(0) != columns) {
    throw nb::value_error("hi, lo and factor must have one value for each column");
  }
  nb::gil_scoped_release release;
  scale(from, to,
        {high.data(), low.data(), factor.data(), inverse, nan_to_zero, thread_count(threads)});
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const char* const* name = kernel_names(); *name; ++name) names.emplace_back(*name);
  return names;
}

void check_forced_kernel() {
  const char* wanted = std::getenv("EVENLY_KERNEL");
  if (!wanted || std::string(wanted) == chosen_kernel_name()) return;
  std::string text = "EVENLY_KERNEL must name a kernel that this processor can run:";
  for (const std::string& name : available_kernels()) text += " " + name;
  text += "; received " + std::string(wanted);
  throw std::runtime_error(text);
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "evenly's core: exact sums and the kernels that make them, without Python.";
  check_forced_kernel();
  // At exit Python may not collect what others still hold; that is no leak of ours.
  nb::set_leak_warnings(false);

  nb::class_<State>(m, "State",
                    "Count, missing, sum, sum of squares and extremes of each column, exactly; "
                    "with groups, of the columns of each group. What adds rows does so as a whole, "
                    "with the metadata, or not at all.")
      .def(nb::init<int64_t, int64_t>(), "columns"_a, "groups"_a = 1)
      .def_prop_ro("columns", &State::size, "The number of columns, of all groups together.")
      .def_prop_ro("groups", &State::groups, "The number of groups: 1, unless it is of groups.")
      .def_prop_ro("nbytes", &State::bytes, "Bytes that the state takes.")
      .def_prop_ro("version", &State::version,
                   "A number that goes up with each change of the sums.")
      .def_prop_rw(
          "rows", &State::rows, [](State& self, int64_t rows) { set_group_rows(self, {rows}); },
          "Rows that were added, whatever they weighed. To be set where there is one group.")
      .def_prop_rw("group_rows", &State::group_rows, &set_group_rows, "The same of each group.")
      .def_prop_rw("metadata", &get_metadata, &set_metadata,
                   nb::for_getter(nb::sig("def metadata(self) -> typing.Any")),
                   nb::for_setter(nb::sig("def metadata(self, value: object, /) -> None")),
                   nb::for_setter(nb::arg("value").none()),
                   "An immutable object that belongs to the sums: names, for example.")
      .def("replace_metadata", &replace_metadata, "metadata"_a, "expected"_a,
           "Puts another object there; False, and nothing done, when `expected` is not there.")
      .def_prop_rw("extremes_are_bounds", &State::extremes_are_bounds,
                   &State::set_extremes_are_bounds,
                   "Whether a subtraction has made the extremes bounds.")
      .def("update", &update, "x"_a, "feature_axis"_a = -1, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0, "dtype"_a = nb::none(),
           "Adds the rows of an array. Returns None, or (row, column) of the first infinity, and "
           "then nothing was added.")
      .def("update_columns", &update_columns, "values"_a, "validity"_a, "bit_offsets"_a,
           "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "first_column"_a = 0,
           "The same for columns of equal length, each with an Arrow validity bitmap or None: "
           "the state's from first_column on. The first column counts the rows.")
      .def("update_groups", &update_groups, "values"_a, "validity"_a, "bit_offsets"_a, "codes"_a,
           "places"_a, "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "metadata"_a = nb::none(),
           "The same for rows of groups, each of which has len(values) columns of the state: a row "
           "of code c adds to group places[c]. New groups get columns at the end. With the rows "
           "comes new metadata, unless it is None.")
      .def("update_slices", &update_slices, "values"_a, "starts"_a, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0,
           "The same for columns whose values follow each other: column i has those from starts[i] "
           "to starts[i + 1]. The row of an infinity is its place among all values. It adds to no "
           "number of rows.")
      .def("fill_with_zeros", &fill_with_zeros, "rows"_a,
           "Adds to each column as many zeros as `rows`, a state of one column, has rows more.")
      .def("merge_groups", &merge_groups, "other"_a, "width"_a, "places"_a,
           "metadata"_a = nb::none(), "consume"_a = false,
           "Adds other in place, its i-th group of `width` columns to ours at places[i], and new "
           "metadata with it, unless it is None. With `consume`, other is of no use afterwards.")
      .def(
          "merge", &merge, "other"_a, "metadata"_a = nb::none(), "expected"_a = nb::none(),
          "consume"_a = false, "all_or_nothing"_a = true,
          "Adds other in place, and new metadata with it, unless it is None. A state without "
          "rows becomes other, whatever columns it had. Returns False, and nothing is done, when "
          "the metadata are not `expected`. With `consume`, other is of no use afterwards; without "
          "`all_or_nothing`, this state is not after a MemoryError.")
      .def("total", &total, "width"_a, "A new state: all groups of `width` columns as one.")
      .def(
          "remove",
          [](State& self, const State& other) {
            check_same_size(self, other);
            return self.subtract(other);
          },
          "other"_a,
          "Subtracts other, in place. Returns -1, or the first column that does not contain it, "
          "and then nothing was subtracted.")
      .def("copy", &copy, "A new state, with the same metadata.")
      .def("take_columns", &take_columns, "indices"_a, "width"_a,
           "A new state of these columns of each group of `width`.")
      .def("take_groups", &take_groups, "places"_a, "width"_a,
           "A new state of these groups of `width` columns, in this order; of a place below 0, a "
           "group without rows.")
      .def("take", &take, "indices"_a, "A new state of these columns, as one group.")
      .def(
          "__eq__",
          [](const State& self, const State& other) {
            return static_cast<const Moments&>(self) == other;
          },
          "Equal count, missing, sum and sum of squares.")
      .def(
          "counts",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) { return c.total_count(); });
          },
          "Total weight of the values, as (mantissa, exponent).")
      .def(
          "missings",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) { return c.total_missing(); });
          },
          "Total weight of the rows without a value, as (mantissa, exponent).")
      .def(
          "sums",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) -> const ExactSum& { return c.sum; });
          },
          "Sum of the values, as (mantissa, exponent).")
      .def(
          "squares",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) -> const ExactSum& { return c.squares; });
          },
          "Sum of the values' squares, as (mantissa, exponent).")
      .def("read_scaling", &read_scaling, "correction"_a, "inverse"_a, "hi"_a, "lo"_a, "factor"_a,
           "Writes the mean as hi + lo and 1 / std (or std), correctly rounded. Returns "
           "\"certain\"; "
           "\"undefined\" when a column has not more values than correction (factor 0); or "
           "\"unsure\", and then nothing that was written counts.")
      .def("first_impossible", &first_impossible,
           "The first column whose numbers no data can have, or -1.")
      .def("extremes", &extremes_of, "(min, max) of each column, (None, None) without values.")
      .def(
          "pack",
          [](const State& self) {
            const Moments snapshot(self);
            std::string bytes;
            {
              nb::gil_scoped_release release;
              bytes = serialize(snapshot);
            }
            return nb::bytes(bytes.data(), bytes.size());
          },
          "The state as bytes, for this version only.")
      .def_static(
          "unpack",
          [](const nb::bytes& packed, int64_t groups) {
            auto bytes = static_cast<const uint8_t*>(packed.data());
            nb::gil_scoped_release release;
            bool bounds = false;
            std::vector<Column> columns = deserialize(bytes, packed.size(), bounds);
            return new State(std::move(columns), bounds, groups);
          },
          "packed"_a, "groups"_a = 1,
          "The state in bytes of `pack`; ValueError for any that it cannot have made.")
      .def("set_column", &set_column, "index"_a, "count"_a, "missing"_a, "sum"_a, "squares"_a,
           "min"_a.none(), "max"_a.none(), "Replaces a column's state.");

  nb::class_<FloatingPointMode>(
      m, "ExactMode",
      "Round to nearest and keep subnormal numbers, in this thread, within a `with` statement: "
      "somebody may have called torch.set_flush_denormal(True).")
      .def(nb::init<>())
      .def("__enter__", &FloatingPointMode::enter)
      .def("__exit__", &FloatingPointMode::exit,
           nb::sig("def __exit__(self, *args: object) -> None"));

  m.def("scale", &scale_array, "x"_a, "out"_a, "feature_axis"_a, "hi"_a, "lo"_a, "factor"_a,
        "inverse"_a = false, "nan_to_zero"_a = false, "threads"_a = 0, "x_dtype"_a = nb::none(),
        "out_dtype"_a = nb::none(),
        "out = ((x - hi) - lo) * factor, or with inverse x * factor + lo + hi.");
  bind_batch_norm(m);
  bind_factorize(m);
  m.def(
      "guard_mapping",
      [](const nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>& pages) {
        return guard_mapping(pages.data(), pages.size());
      },
      "pages"_a,
      "Guards a file that is mapped: where it becomes shorter, zeros are read, and no signal ends "
      "the process. Returns a number for the calls below, or -1 where it cannot be guarded.");
  m.def("unguard_mapping", &unguard_mapping, "number"_a, "Before the file is unmapped.");
  m.def("mapping_failed", &mapping_failed, "number"_a,
        "Whether a page was not there when it was read.");
  m.def("num_threads", &default_threads, "Threads used when none are named.");
  m.def("runtime", &runtime_name, "Whose threads are used.");
  m.def("kernel", [] { return std::string(chosen_kernel_name()); }, "The kernels in use.");
  m.def("kernels", &available_kernels, "The kernels that EVENLY_KERNEL may name here.");
}

}  // namespace evenly
