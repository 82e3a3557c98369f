// Exact moments of columns, from which all statistics are computed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "distribution/histogram.h"
#include "exact/exact_sum.h"

namespace evenly {

// The exact value of an extreme: floating-point values have rest = 0; a 64-bit integer is its
// nearest double plus the difference (at most 1024). Rounding to nearest is monotone, so the pairs
// compare like the numbers.
struct ExtremeValue {
  double nearest;
  int16_t rest = 0;
  auto operator<=>(const ExtremeValue&) const = default;
};
inline ExtremeValue extreme_value(double x) {
  return {x + 0.0, 0};
}  // + 0.0: no -0.0, whose place is a matter of order
template <class Integer>
ExtremeValue extreme_value_of_integer(Integer x) {
  double nearest = double(x);
  return {nearest, int16_t(int128(x) - int128(nearest))};
}

// The parts of total weights that are not 64-bit integers. Most columns have none.
struct FractionalWeights {
  ExactSum count;
  ExactSum missing;
};

struct Column {
  int64_t count = 0;    // rows with a value; with weights, the integer part of their total
  int64_t missing = 0;  // rows without a value, likewise
  ExtremeValue min{std::numeric_limits<double>::infinity()};
  ExtremeValue max{-std::numeric_limits<double>::infinity()};
  ExactSum sum;
  ExactSum squares;
  std::unique_ptr<FractionalWeights> fraction;
  std::unique_ptr<Histogram> histogram;  // optional; counts the same values as `count`

  Column() = default;
  Column(const Column& other);
  Column(Column&&) noexcept = default;
  Column& operator=(const Column& other);
  Column& operator=(Column&&) noexcept = default;

  void include(ExtremeValue value) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  void include(const Column& other) {
    if (other.min < min) min = other.min;
    if (other.max > max) max = other.max;
  }
  void clear_extremes();
  ExactSum total_count() const;
  ExactSum total_missing() const;
  void add_count(const ExactSum& weight);
  void add_missing(const ExactSum& weight);
  bool has_values() const { return min <= max; }
  bool has_rows() const { return count != 0 || missing != 0 || fraction; }

  // Throws std::overflow_error unless the number of values is a 64-bit integer, which a histogram
  // requires.
  void check_countable() const;

  void add(const Column& other);
  // The same without the histogram.
  void add_sums(const Column& other);
  // Returns the sum of both histograms, of which a column without rows needs none; null if there
  // are none. Throws std::invalid_argument if one of them is missing.
  std::unique_ptr<Histogram> add_histograms(const Column& other) const;
  // Whether adding `other` needs no new memory for fractional weights or bins. Then
  // add_in_place(other) cannot fail after reserve_for(other).
  bool adds_in_place(const Column& other) const;
  void reserve_for(const Column& other) {
    sum.reserve_for(other.sum);
    squares.reserve_for(other.squares);
  }
  void add_in_place(const Column& other);
  // Undoes add_in_place(other); the extremes become those of `other`.
  void undo_add(const Column& other) noexcept;
  // Returns false and changes nothing if a count would become negative.
  bool subtract(const Column& other);
  // Adds one zero for each row that `whole` has more; all rows of `whole` must have a value.
  // Returns false if it has fewer.
  bool fill_with_zeros(const Column& whole);
  bool equal_sums(const Column& other) const;
};

// Functions that Moments calls under its lock and that must not throw: before a change, which is
// not made if `allow` returns false, and once the change can no longer fail.
struct Hooks {
  std::function<bool()> allow = [] { return true; };
  std::function<void()> commit = [] {};
};

// The moments of columns. With groups, each group has its own columns, stored one group after the
// other, and its own number of rows.
//
// Thread-safe: any number of threads may use the same Moments. Functions that add rows are
// all-or-nothing: an exception (std::bad_alloc) leaves the moments unchanged.
class Moments {
 public:
  // `most_bins`: of the histogram of each column; 0 for none.
  explicit Moments(int64_t columns, int64_t groups = 1, int64_t most_bins = 0)
      : columns_(std::size_t(columns)), rows_(std::size_t(groups)), most_bins_(most_bins) {}
  explicit Moments(std::vector<Column> columns, bool bounds = false, int64_t groups = 1,
                   int64_t most_bins = 0)
      : columns_(std::move(columns)),
        rows_(std::size_t(groups)),
        most_bins_(most_bins),
        extremes_are_bounds_(bounds) {}
  Moments(const Moments& other);
  Moments(Moments&& other) noexcept;  // which no other thread may use

  int64_t size() const;
  int64_t groups() const;
  int64_t bytes() const;
  // The number of bins of each histogram at most; 0 if there are none.
  int64_t most_bins() const;
  // Increases with each change.
  uint64_t version() const;
  // The number of rows of all groups together, and of each group.
  int64_t rows() const;
  std::vector<int64_t> group_rows() const;
  void set_group_rows(std::vector<int64_t> rows);

  // Adds rows to the columns starting at `first`.
  void add(std::vector<Column> more, int64_t rows, int64_t first = 0);
  // Adds one row of doubles, where NaN is a missing value, in a tenth of the time of add(). Returns
  // false and changes nothing unless all values are finite or NaN and every sum has room for them,
  // which is the case for most rows but the first ones.
  bool add_row(const double* values, int64_t count);
  // Adds `other`. Moments without rows become a copy of `other`, whatever columns they had. Throws
  // std::invalid_argument if the numbers of columns or groups differ, or if only one of both has
  // distributions. If these moments are discarded after an exception, all_or_nothing may be false,
  // which saves one pass.
  bool add(const Moments& other, const Hooks& hooks = {}, bool all_or_nothing = true);
  // The same; `other` must not be used afterwards.
  bool merge(Moments&& other, const Hooks& hooks = {});
  // Adds groups of `width` columns: group i of `more`, with rows[i] rows, is added to our group
  // indices[i]. New groups are created at the end. `bounds`: whether their extremes are only
  // bounds. `most_bins`: that of their histograms.
  bool add_groups(std::vector<Column> more, const std::vector<int64_t>& rows, int64_t width,
                  const int64_t* indices, bool bounds = false, const Hooks& hooks = {},
                  int64_t most_bins = 0);
  // Merges all groups into one.
  Moments total(int64_t width) const;
  // Some columns, of any groups, as one group with all rows.
  Moments take(const std::vector<int64_t>& indices) const;
  // Some columns of each group of `width` columns.
  Moments take_columns(const std::vector<int64_t>& indices, int64_t width) const;
  // Some groups, in this order. A negative index yields a group without rows.
  Moments take_groups(const int64_t* indices, int64_t count, int64_t width) const;

  Moments without_histograms() const;
  // The same moments with fewer bins.
  Moments limit_bins(int64_t most_bins) const;

  // Appends columns up to this number; never removes any.
  void grow(int64_t columns);
  // Returns -1, or the first column that does not contain `other` (then nothing has changed).
  int64_t subtract(const Moments& other);
  // Fills each column with zeros. Returns -1, or the first column that has more rows than `whole`.
  int64_t fill_with_zeros(const Column& whole);
  bool operator==(const Moments& other) const;
  std::vector<Column> snapshot() const;
  std::vector<Column> release();  // leaves no columns
  Column column(int64_t index) const;
  void set_column(int64_t index, Column column);
  bool extremes_are_bounds() const;
  void set_extremes_are_bounds(bool bounds);

  // Calls f(columns) under the lock.
  template <class F>
  auto with_columns(F&& f) const {
    std::lock_guard lock(mutex_);
    return f(columns_);
  }
  // Calls f() under the lock, for data that belongs to the moments but is stored elsewhere.
  template <class F>
  auto with_lock(F&& f) const {
    std::lock_guard lock(mutex_);
    return f();
  }

 private:
  bool has_rows() const;
  // The number of bins after adding columns that have `most_bins`. Throws std::invalid_argument if
  // there are rows with and rows without distributions.
  int64_t bins_with(const std::vector<Column>& more, int64_t most_bins) const;
  void check_same_size(const Moments& other) const;
  bool add_columns(const Moments& other, const Hooks& hooks);
  bool add_or_undo(Moments& other, const Hooks& hooks);  // other must not be used afterwards
  void add_rows(const Moments& other);
  // Takes over the columns and rows, which are those of `other`.
  bool adopt(std::vector<Column>& columns, std::vector<int64_t>& rows, const Moments& other,
             const Hooks& hooks);

  mutable std::mutex mutex_;
  std::vector<Column> columns_;
  std::vector<int64_t> rows_;
  int64_t most_bins_ = 0;
  uint64_t version_ = 0;
  // After a subtraction, min and max may belong to values that were removed.
  bool extremes_are_bounds_ = false;
};

}  // namespace evenly
