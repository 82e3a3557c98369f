// The class `State`: moments and their metadata.
#include <nanobind/nanobind.h>
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
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/columns.h"
#include "bindings/numbers.h"
#include "distribution/count_values.h"
#include "exact/consistency.h"
#include "exact/finalize.h"
#include "exact/moments.h"
#include "exact/serialize.h"
#include "sum/accumulate.h"
#include "sum/grouped_sum.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using Indices = Vector<const int64_t>;

// Moments and the metadata that Python attaches to them: names, dtypes, sources. Both change in one
// step.
//
// The lock is only taken by a thread that holds the GIL (or, on free-threaded builds, is attached
// to the interpreter), and no Python code runs while it is held. So an exception raised by a signal
// handler occurs before or after a change but never during it, and a fork, which also requires the
// GIL, never happens while the lock is held.
struct State : Moments {
  using Moments::Moments;
  State(const Moments& other) : Moments(other) {}
  State(Moments&& other) : Moments(std::move(other)) {}

  nb::object metadata = nb::none();
};

nb::object get_metadata(const State& state) {
  return state.with_lock([&] { return state.metadata; });
}

bool is_expected(const State& state, nb::handle expected) {
  return !expected.is_valid() || state.metadata.ptr() == expected.ptr();
}

// Hooks that replace the metadata unless the current object is not the expected one. `metadata`
// receives the old object, which is freed after the lock is released.
Hooks metadata_hooks(State& state, nb::object& metadata, const nb::object& expected) {
  if (metadata.is_none()) return {};
  nb::handle handle = expected.is_none() ? nb::handle() : nb::handle(expected);
  return {[&state, handle] { return is_expected(state, handle); },
          [&state, &metadata] { std::swap(state.metadata, metadata); }};
}

using Infinity = std::optional<std::pair<int64_t, int64_t>>;  // (row, column)

// Adds data to the moments, unless it contains an infinity.
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
    if (const int64_t most_bins = moments.most_bins()) {
      count_values(data, options, most_bins, columns);
    }
  }
  moments.add(std::move(columns), rows, first_column);
  return {};
}

// Adds the only row of an array of float32 or float64 in place. Returns false, without a change, if
// the array is another, or if the row must be added in the general way.
bool add_row(State& moments, const Array& array) {
  bool wide = array.dtype == DType::kFloat64;
  if (!(wide || array.dtype == DType::kFloat32) || array.rows() != 1) return false;
  const int64_t columns = array.columns(), stride = feature_stride(array);
  std::vector<double> row(static_cast<std::size_t>(columns));
  for (int64_t i = 0; i < columns; ++i) {
    row[std::size_t(i)] = wide ? static_cast<const double*>(array.data)[i * stride]
                               : double(static_cast<const float*>(array.data)[i * stride]);
  }
  return moments.add_row(row.data(), columns);
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
  if (!weights && add_row(moments, array)) return {};
  return add_data(
      moments, array,
      {infinite_as_missing, thread_count(threads, array), to_weights(weights, array.rows())},
      array.rows());
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

Infinity update_views(State& moments, const Columns& columns, bool infinite_as_missing, int threads,
                      int64_t first_column) {
  if (first_column < 0 || first_column > moments.size() - columns.size())
    throw nb::value_error("there must be a column in the state for each of the columns");
  return add_data(moments, columns.complete(),
                  {infinite_as_missing, thread_count(threads), nullptr},
                  first_column == 0 ? columns.rows() : 0, first_column);
}

void check_indices(const State& moments, const Indices& indices, int64_t width) {
  const int64_t most = moments.size() / width + int64_t(indices.shape(0));
  for (size_t i = 0; i < indices.shape(0); ++i) {
    if (indices.data()[i] < 0 || indices.data()[i] >= most)
      throw nb::value_error(
          "group indices must refer to groups of the state, or to as many new ones");
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
      throw nb::value_error("codes must be less than the number of indices");
    ++rows[std::size_t(groups.codes[row])];
  }
  check_indices(moments, indices, int64_t(columns.size()));
  AccumulateOptions options{infinite_as_missing, thread_count(threads),
                            to_weights(weights, groups.rows)};
  std::vector<Column> sums;
  const int64_t most_bins = moments.most_bins();
  {
    nb::gil_scoped_release release;
    bool infinite = false;
    sums = accumulate_groups(columns, groups, options, infinite);
    if (infinite) {
      Location location = find_infinity(columns, options.weights);
      return std::pair(location.row, location.column);
    }
    if (most_bins) count_values(columns, groups, options, most_bins, sums);
  }
  moments.add_groups(std::move(sums), rows, int64_t(columns.size()), indices.data(), false,
                     metadata_hooks(moments, metadata, nb::none()), most_bins);
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
  Hooks hooks = metadata_hooks(state, metadata, expected);
  return consume && &other != &state ? state.merge(std::move(other), hooks)
                                     : state.add(other, hooks, all_or_nothing);
}

void merge_groups(State& state, State& other, int64_t width, const Indices& indices,
                  nb::object metadata, bool consume) {
  std::vector<int64_t> rows = other.group_rows();
  if (width < 1 || rows.size() != indices.shape(0) || other.size() != width * int64_t(rows.size()))
    throw nb::value_error("other must have `width` columns for each place");
  check_indices(state, indices, width);
  state.add_groups(consume ? other.release() : other.snapshot(), rows, width, indices.data(),
                   other.extremes_are_bounds(), metadata_hooks(state, metadata, nb::none()),
                   other.most_bins());
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

template <class Read>
std::vector<ScaledInt> to_scaled_ints(const State& moments, Read&& read) {
  std::vector<ScaledInt> numbers;
  for (const Column& column : moments.snapshot()) numbers.push_back(to_scaled_int(read(column)));
  return numbers;
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

void set_column(State& moments, int64_t index, const ScaledInt& count, const ScaledInt& missing,
                const ScaledInt& sum, const ScaledInt& squares, nb::object min, nb::object max) {
  check_column(index, moments.size());
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

nb::object histogram_of(const State& state, int64_t index) {
  check_column(index, state.size());
  const Column column = state.column(index);
  if (!column.histogram) return nb::none();
  std::vector<uint64_t> keys;
  std::vector<int64_t> counts;
  for (const Bin& bin : column.histogram->bins()) {
    keys.push_back(bin.key);
    counts.push_back(bin.count);
  }
  return nb::make_tuple(column.histogram->shift(), to_numpy(std::move(keys)),
                        to_numpy(std::move(counts)));
}

// The bins of many columns, one column after the other.
nb::tuple histograms_of(const State& state, int64_t first, int64_t end) {
  if (first < 0 || first > end || end > state.size())
    throw nb::value_error("the state must have the columns from first to end");
  std::vector<int64_t> shifts, sizes, counts;
  std::vector<uint64_t> keys;
  for (int64_t index = first; index < end; ++index) {
    const Column column = state.column(index);
    if (!column.histogram) throw nb::value_error("the state must have distributions");
    shifts.push_back(column.histogram->shift());
    sizes.push_back(int64_t(column.histogram->bins().size()));
    for (const Bin& bin : column.histogram->bins()) {
      keys.push_back(bin.key);
      counts.push_back(bin.count);
    }
  }
  return nb::make_tuple(to_numpy(std::move(shifts)), to_numpy(std::move(sizes)),
                        to_numpy(std::move(keys)), to_numpy(std::move(counts)));
}

void set_histogram(State& state, int64_t index, int shift, const Vector<const uint64_t>& keys,
                   const Vector<const int64_t>& counts) {
  check_column(index, state.size());
  const int64_t most_bins = state.most_bins();
  const std::size_t size = keys.shape(0);
  if (shift < 0 || shift > 63 || counts.shape(0) != size || int64_t(size) > most_bins)
    throw nb::value_error("there must be at most as many bins as the state has");
  std::vector<Bin> bins;
  for (std::size_t i = 0; i < size; ++i) bins.push_back({keys.data()[i], counts.data()[i]});
  Column column = state.column(index);
  column.check_countable();
  column.histogram = std::make_unique<Histogram>(most_bins, shift, std::move(bins));
  if (!column.histogram->is_possible(column.count, column.min.nearest, column.max.nearest))
    throw nb::value_error("the bins must have the count and the extremes of the column");
  state.set_column(index, std::move(column));
}

// A state of `moments` with the metadata of another.
State* with_metadata_of(const State& state, Moments&& moments) {
  auto result = std::make_unique<State>(std::move(moments));
  result->metadata = get_metadata(state);
  return result.release();
}

State* copy(const State& state) { return with_metadata_of(state, Moments(state)); }

State* without_histograms(const State& state) {
  return with_metadata_of(state, state.without_histograms());
}

State* limit_bins(const State& state, int64_t most_bins) {
  return with_metadata_of(state, state.limit_bins(most_bins));
}

void check_bins(int64_t bins) {
  if (bins != 0 && (bins < kMinBins || bins > kMaxBins))
    throw nb::value_error("a distribution has from 2 to 65,536 bins");
}

State* take(const State& state, const std::vector<int64_t>& indices) {
  for (int64_t index : indices) check_column(index, state.size());
  return new State(state.take(indices));
}

State* take_columns(const State& state, const std::vector<int64_t>& indices, int64_t width) {
  if (width < 1 || state.size() != width * state.groups())
    throw nb::value_error("the state must have `width` columns for each group");
  for (int64_t index : indices) check_column(index, width);
  return new State(state.take_columns(indices, width));
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
  return state.with_lock([&] {
    if (!is_expected(state, expected)) return false;
    std::swap(state.metadata, metadata);
    return true;
  });
}

int64_t first_impossible(const State& state) {
  const std::vector<Column> columns = state.snapshot();
  nb::gil_scoped_release release;
  auto found = std::find_if_not(columns.begin(), columns.end(), is_possible);
  return found == columns.end() ? -1 : found - columns.begin();
}

using ScalingOutput = Vector<double>;

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

}  // namespace

void bind_state(nb::module_& m) {
  nb::class_<State>(m, "State",
                    "Exact count, number of missing values, sum, sum of squares and extremes of "
                    "each column, or of each column of each group. A method that adds rows adds "
                    "all of them, with the metadata, or none.")
      .def(
          "__init__",
          [](State* self, int64_t columns, int64_t groups, int64_t bins) {
            check_bins(bins);
            new (self) State(columns, groups, bins);
          },
          "columns"_a, "groups"_a = 1, "bins"_a = 0,
          "A state without rows. `bins`: the most bins of each distribution; 0 for none.")
      .def_prop_ro("bins", &State::most_bins,
                   "The most bins of the distribution of a column; 0 without distributions.")
      .def_prop_ro("columns", &State::size, "The number of columns of all groups together.")
      .def_prop_ro("groups", &State::groups, "The number of groups; 1 for a state without groups.")
      .def_prop_ro("nbytes", &State::bytes, "The size of the state in bytes.")
      .def_prop_ro("version", &State::version,
                   "A number that increases with each change of the sums.")
      .def_prop_rw(
          "rows", &State::rows, [](State& self, int64_t rows) { set_group_rows(self, {rows}); },
          "The number of rows that were added, regardless of weights. Can be set if there is one "
          "group.")
      .def_prop_rw("group_rows", &State::group_rows, &set_group_rows,
                   "The number of rows of each group.")
      .def_prop_rw(
          "metadata", &get_metadata, &set_metadata,
          nb::for_getter(nb::sig("def metadata(self) -> typing.Any")),
          nb::for_setter(nb::sig("def metadata(self, value: object, /) -> None")),
          nb::for_setter(nb::arg("value").none()),
          "An immutable object that is changed together with the sums, such as column names.")
      .def("replace_metadata", &replace_metadata, "metadata"_a, "expected"_a,
           "Replaces the metadata. Returns False, without a change, if the current object is not "
           "`expected`.")
      .def_prop_rw("extremes_are_bounds", &State::extremes_are_bounds,
                   &State::set_extremes_are_bounds,
                   "Whether the extremes are only bounds because rows were subtracted.")
      .def("update", &update, "x"_a, "feature_axis"_a = -1, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0, "dtype"_a = nb::none(),
           "Adds the rows of an array. Returns None, or the (row, column) of the first infinity; "
           "then nothing was added.")
      .def("update_columns", &update_columns, "values"_a, "validity"_a, "bit_offsets"_a,
           "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "first_column"_a = 0,
           "Adds columns of equal length, each with an Arrow validity bitmap or None, to the "
           "columns from first_column on. Rows are counted if first_column is 0.")
      .def("update_views", &update_views, "columns"_a, "infinite_as_missing"_a = false,
           "threads"_a = 0, "first_column"_a = 0, "Adds columns; see update_columns.")
      .def("update_groups", &update_groups, "values"_a, "validity"_a, "bit_offsets"_a, "codes"_a,
           "indices"_a, "weights"_a = nb::none(), "infinite_as_missing"_a = false, "threads"_a = 0,
           "metadata"_a = nb::none(),
           "Adds rows to groups of len(values) columns: a row with code c is added to group "
           "indices[c]. New groups are created at the end. The metadata is replaced unless it is "
           "None.")
      .def("update_slices", &update_slices, "values"_a, "starts"_a, "weights"_a = nb::none(),
           "infinite_as_missing"_a = false, "threads"_a = 0,
           "Adds columns whose values are stored one after the other: column i from starts[i] to "
           "starts[i + 1]. The row of an infinity is its index among all values. The number of "
           "rows is not changed.")
      .def("fill_with_zeros", &fill_with_zeros, "rows"_a,
           "Adds zeros to each column until it has as many rows as `rows`, a state of one column.")
      .def(
          "merge_groups", &merge_groups, "other"_a, "width"_a, "indices"_a,
          "metadata"_a = nb::none(), "consume"_a = false,
          "Adds group i of `other`, of `width` columns, to group indices[i] in place. The metadata "
          "is replaced unless it is None. With `consume`, other must not be used afterwards.")
      .def("merge", &merge, "other"_a, "metadata"_a = nb::none(), "expected"_a = nb::none(),
           "consume"_a = false, "all_or_nothing"_a = true,
           "Adds `other` in place. The metadata is replaced unless it is None. A state without "
           "rows becomes a copy of `other`. Returns False, without a change, if the current "
           "metadata is not `expected`. With `consume`, other must not be used afterwards. Without "
           "`all_or_nothing`, this state must not be used after a MemoryError.")
      .def("total", &total, "width"_a,
           "Returns a new state with all groups of `width` columns merged into one.")
      .def(
          "remove",
          [](State& self, const State& other) {
            check_same_size(self, other);
            return self.subtract(other);
          },
          "other"_a,
          "Subtracts `other` in place. Returns -1, or the first column that does not contain it; "
          "then nothing was subtracted.")
      .def("copy", &copy, "Returns a copy with the same metadata.")
      .def("take_columns", &take_columns, "indices"_a, "width"_a,
           "Returns a new state with these columns of each group of `width` columns.")
      .def("take_groups", &take_groups, "indices"_a, "width"_a,
           "Returns a new state with these groups of `width` columns, in this order. A negative "
           "index yields a group without rows.")
      .def("take", &take, "indices"_a, "Returns a new state with these columns, as one group.")
      .def(
          "__eq__",
          [](const State& self, const State& other) {
            return static_cast<const Moments&>(self) == other;
          },
          "Returns whether count, missing, sum and sum of squares of all columns are equal.")
      .def(
          "counts",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) { return c.total_count(); });
          },
          "The total weight of the values of each column, as (mantissa, exponent).")
      .def(
          "missings",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) { return c.total_missing(); });
          },
          "The total weight of the missing values of each column, as (mantissa, exponent).")
      .def(
          "sums",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) -> const ExactSum& { return c.sum; });
          },
          "The sum of each column, as (mantissa, exponent).")
      .def(
          "squares",
          [](const State& m) {
            return to_scaled_ints(m, [](const Column& c) -> const ExactSum& { return c.squares; });
          },
          "The sum of squares of each column, as (mantissa, exponent).")
      .def("read_scaling", &read_scaling, "correction"_a, "inverse"_a, "hi"_a, "lo"_a, "factor"_a,
           "Writes the mean as hi + lo, and 1 / std (or std if inverse), correctly rounded. "
           "Returns \"certain\", \"undefined\" if a column has no more values than the correction "
           "(factor 0), or \"unsure\" if the output must not be used.")
      .def("first_impossible", &first_impossible,
           "Returns the first column whose sums no data can have, or -1.")
      .def("extremes", &extremes_of,
           "The (min, max) of each column; (None, None) for columns without values.")
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
          "Returns the state as bytes, for this version only.")
      .def_static(
          "unpack",
          [](const nb::bytes& packed, int64_t groups) {
            auto bytes = static_cast<const uint8_t*>(packed.data());
            nb::gil_scoped_release release;
            return new State(deserialize(bytes, packed.size(), groups));
          },
          "packed"_a, "groups"_a = 1,
          "Returns the state from the bytes of `pack`. Raises ValueError for other bytes.")
      .def("histogram", &histogram_of, "index"_a,
           nb::sig("def histogram(self, index: int) -> tuple[int, "
                   "numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.int64]] | None"),
           "Returns the shift, the keys and the counts of the bins of a column; None without.")
      .def("histograms", &histograms_of, "first"_a, "end"_a,
           nb::sig("def histograms(self, first: int, end: int) -> "
                   "tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], "
                   "numpy.typing.NDArray[numpy.uint64], numpy.typing.NDArray[numpy.int64]]"),
           "Returns the shift and the number of bins of each of these columns, and the keys and "
           "counts of all their bins, one column after the other.")
      .def("set_histogram", &set_histogram, "index"_a, "shift"_a, "keys"_a, "counts"_a,
           "Replaces the distribution of a column whose sums are set already.")
      .def("without_histograms", &without_histograms,
           "Returns a copy without distributions, with the same metadata.")
      .def("limit_bins", &limit_bins, "bins"_a,
           "Returns a copy with at most this many bins per column, with the same metadata.")
      .def("set_column", &set_column, "index"_a, "count"_a, "missing"_a, "sum"_a, "squares"_a,
           "min"_a.none(), "max"_a.none(), "Replaces the sums of a column.");
}

}  // namespace evenly
