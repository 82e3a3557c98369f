// The exact moments of a set of columns: what everything else is read from.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "exact.h"

namespace evenly {

// A value of any column, exactly: floating values have rest = 0; a 64-bit
// integer is the double nearest to it plus what is missing (at most 1024).
// Nearest is monotone, so the pairs compare like the numbers.
struct Value {
  double nearest;
  int16_t rest = 0;
  auto operator<=>(const Value&) const = default;
};
inline Value value_of(double x) {
  return {x + 0.0, 0};
}  // + 0.0: no -0.0, whose place is a matter of order
template <class Integer>
Value value_of_integer(Integer x) {
  double nearest = double(x);
  return {nearest, int16_t(int128(x) - int128(nearest))};
}

// Total weights that are not whole. Most columns have none.
struct Fraction {
  Exact count;
  Exact missing;
};

struct Column {
  int64_t count = 0;    // rows with a value; with weights, the whole part of their total
  int64_t missing = 0;  // rows without one
  Value min{std::numeric_limits<double>::infinity()};
  Value max{-std::numeric_limits<double>::infinity()};
  Exact sum;
  Exact squares;
  std::unique_ptr<Fraction> fraction;

  Column() = default;
  Column(const Column& other);
  Column(Column&&) noexcept = default;
  Column& operator=(const Column& other);
  Column& operator=(Column&&) noexcept = default;

  void include(Value value) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  void include(const Column& other) {
    if (other.min < min) min = other.min;
    if (other.max > max) max = other.max;
  }
  void clear_extremes();
  Exact total_count() const;
  Exact total_missing() const;
  void add_count(const Exact& weight);
  void add_missing(const Exact& weight);
  bool has_values() const { return min <= max; }
  bool has_rows() const { return count != 0 || missing != 0 || fraction; }

  void add(const Column& other);
  // Leaves this unchanged and returns false when a count would go below zero.
  bool subtract(const Column& other);
  // Adds as many zeros as `whole` has rows more, all of which have a value. False if it has fewer.
  bool fill_with_zeros(const Column& whole);
  bool same_group_element(const Column& other) const;
};

// Locks itself: any number of threads may use one Moments at once.
class Moments {
 public:
  explicit Moments(int64_t columns) : columns_(columns) {}
  explicit Moments(std::vector<Column> columns, bool bounds = false)
      : columns_(std::move(columns)), extremes_are_bounds_(bounds) {}

  int64_t size() const { return int64_t(columns_.size()); }
  int64_t bytes() const;
  void add(const Moments& other);
  // Adds more columns to ours from `first` on.
  void add(std::vector<Column> more, int64_t first = 0);
  // Room for more columns, at the end; never fewer.
  void grow(int64_t columns);
  // Adds groups of `width` columns: the i-th of `more` to ours from places[i] * width on, which
  // are made if there are none.
  void add_groups(std::vector<Column> more, int64_t width, const int64_t* places);
  // The first column that has less than other, or -1 (done).
  int64_t subtract(const Moments& other);
  // Fills every column with zeros, up to the first that has more rows than whole: that, or -1.
  int64_t fill_with_zeros(const Column& whole);
  bool operator==(const Moments& other) const;
  std::vector<Column> snapshot() const;
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

 private:
  bool has_rows() const;

  mutable std::mutex mutex_;
  std::vector<Column> columns_;
  // After a subtraction min and max may belong to values that are gone.
  bool extremes_are_bounds_ = false;
};

}  // namespace evenly
