// The exact moments of a set of columns: what everything else is read from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "exact/exact_sum.h"

namespace evenly {

// A value of any column, exactly: floating values have rest = 0; a 64-bit
// integer is the double nearest to it plus what is missing (at most 1024).
// Nearest is monotone, so the pairs compare like the numbers.
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

// Total weights that are not whole. Most columns have none.
struct FractionalWeights {
  ExactSum count;
  ExactSum missing;
};

struct Column {
  int64_t count = 0;    // rows with a value; with weights, the whole part of their total
  int64_t missing = 0;  // rows without one
  ExtremeValue min{std::numeric_limits<double>::infinity()};
  ExtremeValue max{-std::numeric_limits<double>::infinity()};
  ExactSum sum;
  ExactSum squares;
  std::unique_ptr<FractionalWeights> fraction;

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

  void add(const Column& other);
  // Whether adding other changes only numbers that have their place already: no count goes over
  // into fractions. Then, after make_room(other), add(other) cannot fail.
  bool adds_in_place(const Column& other) const;
  void reserve_for(const Column& other) {
    sum.reserve_for(other.sum);
    squares.reserve_for(other.squares);
  }
  // Leaves this unchanged and returns false when a count would go below zero.
  bool subtract(const Column& other);
  // Adds as many zeros as `whole` has rows more, all of which have a value. False if it has fewer.
  bool fill_with_zeros(const Column& whole);
  bool equal_sums(const Column& other) const;
};

// The columns of some rows; with groups, each group has columns of its own, one group's after
// the other's, and a number of rows.
//
// Locks itself: any number of threads may use one Moments at once. What adds rows is all or
// nothing: it takes the memory that it needs before it changes anything, so that an exception
// (std::bad_alloc) leaves the moments as they were.
//
// `agree` is called just before the change, under the lock; when it returns false nothing changes.
// It must not throw.
class Moments {
 public:
  using Precondition = std::function<bool()>;

  explicit Moments(int64_t columns, int64_t groups = 1)
      : columns_(std::size_t(columns)), rows_(std::size_t(groups)) {}
  explicit Moments(std::vector<Column> columns, bool bounds = false, int64_t groups = 1)
      : columns_(std::move(columns)), rows_(std::size_t(groups)), extremes_are_bounds_(bounds) {}
  Moments(const Moments& other);
  Moments(Moments&& other) noexcept;  // of which nobody else knows

  int64_t size() const;
  int64_t groups() const;
  int64_t bytes() const;
  // Goes up with each change.
  uint64_t version() const;
  // Of all groups together; then of each.
  int64_t rows() const;
  std::vector<int64_t> group_rows() const;
  void set_group_rows(std::vector<int64_t> rows);

  // Adds rows of the columns from `first` on.
  void add(std::vector<Column> more, int64_t rows, int64_t first = 0);
  // Adds other; moments without any row become other, whatever columns they had.
  // Throws std::invalid_argument when the columns or groups differ in number.
  // Moments that are thrown away when this throws need not be all or nothing: one pass less.
  bool add(const Moments& other, const Precondition& precondition = {}, bool all_or_nothing = true);
  // The same, of moments that nobody needs any more.
  bool merge(Moments&& other, const Precondition& precondition = {});
  // Adds groups of `width` columns: the i-th of `more`, of rows[i] rows, to ours at places[i].
  // Groups beyond ours are made. `bounds`: whether their extremes are such.
  bool add_groups(std::vector<Column> more, const std::vector<int64_t>& rows, int64_t width,
                  const int64_t* indices, bool bounds = false,
                  const Precondition& precondition = {});
  // All groups as one.
  Moments total(int64_t width) const;
  // Some columns, whatever group they are of, as one group of all rows.
  Moments take(const std::vector<int64_t>& indices) const;
  // Some columns of each group, of `width` columns.
  Moments take_columns(const std::vector<int64_t>& indices, int64_t width) const;
  // Some groups, in this order; of a place below 0, one without rows.
  Moments take_groups(const int64_t* indices, int64_t count, int64_t width) const;

  // Room for more columns, at the end; never fewer.
  void grow(int64_t columns);
  // The first column that has less than other, or -1 (done).
  int64_t subtract(const Moments& other);
  // Fills every column with zeros, up to the first that has more rows than whole: that, or -1.
  int64_t fill_with_zeros(const Column& whole);
  bool operator==(const Moments& other) const;
  std::vector<Column> snapshot() const;
  std::vector<Column> release();  // leaves none
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
  // Calls f() under the lock: for what belongs to the moments and is kept elsewhere.
  template <class F>
  auto with_lock(F&& f) const {
    std::lock_guard lock(mutex_);
    return f();
  }

 private:
  bool has_rows() const;
  bool add_columns(const Moments& other, const Precondition& precondition, bool all_or_nothing);
  bool adopt(std::vector<Column>& columns, std::vector<int64_t>& rows,
             const Precondition& precondition);

  mutable std::mutex mutex_;
  std::vector<Column> columns_;
  std::vector<int64_t> rows_;
  uint64_t version_ = 0;
  // After a subtraction min and max may belong to values that are gone.
  bool extremes_are_bounds_ = false;
};

}  // namespace evenly
