#include "moments.h"

#include <algorithm>
#include <limits>

namespace evenly {
namespace {

// Adds to whole; what would overflow it goes where fractions are kept.
void add_whole(int64_t& whole, std::unique_ptr<Fraction>& fraction, Exact Fraction::* part,
               int64_t more) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(whole, more, &sum)) {
    whole = sum;
    return;
  }
  if (!fraction) fraction = std::make_unique<Fraction>();
  ((*fraction).*part).add(more, 0);
}

// total's whole part goes into whole as long as it fits; what is left stays exact.
void settle(int64_t& whole, std::unique_ptr<Fraction>& fraction, Exact Fraction::* part,
            const Exact& weight) {
  Dyadic value = weight.dyadic();
  bool fits =
      value.limbs.empty() ||
      (value.exponent >= 0 && value.limbs.size() == 1 && value.exponent < 62 &&
       value.limbs[0] <= uint64_t(std::numeric_limits<int64_t>::max() / 2) >> value.exponent);
  if (fits) {
    int64_t integer = value.limbs.empty() ? 0 : int64_t(value.limbs[0] << value.exponent);
    return add_whole(whole, fraction, part, value.negative ? -integer : integer);
  }
  if (!fraction) fraction = std::make_unique<Fraction>();
  ((*fraction).*part).add(weight);
}

Exact total(int64_t whole, const Exact* part) {
  Exact sum;
  sum.add(whole, 0);
  if (part) sum.add(*part);
  return sum;
}

}  // namespace

Column::Column(const Column& other) { *this = other; }

Column& Column::operator=(const Column& other) {
  if (this == &other) return *this;
  count = other.count;
  missing = other.missing;
  min = other.min;
  max = other.max;
  sum = other.sum;
  squares = other.squares;
  fraction = other.fraction ? std::make_unique<Fraction>(*other.fraction) : nullptr;
  return *this;
}

void Column::clear_extremes() {
  min = {std::numeric_limits<double>::infinity(), 0};
  max = {-std::numeric_limits<double>::infinity(), 0};
}

Exact Column::total_count() const { return total(count, fraction ? &fraction->count : nullptr); }
Exact Column::total_missing() const {
  return total(missing, fraction ? &fraction->missing : nullptr);
}
void Column::add_count(const Exact& weight) { settle(count, fraction, &Fraction::count, weight); }
void Column::add_missing(const Exact& weight) {
  settle(missing, fraction, &Fraction::missing, weight);
}

void Column::add(const Column& other) {
  add_whole(count, fraction, &Fraction::count, other.count);
  add_whole(missing, fraction, &Fraction::missing, other.missing);
  include(other);
  sum.add(other.sum);
  squares.add(other.squares);
  if (other.fraction) {
    add_count(other.fraction->count);
    add_missing(other.fraction->missing);
  }
}

bool Column::subtract(const Column& other) {
  bool whole = !fraction && !other.fraction;
  if (whole) {
    if (count < other.count || missing < other.missing) return false;
  } else {
    Exact left = total_count(), left_missing = total_missing();
    left.subtract(other.total_count());
    left_missing.subtract(other.total_missing());
    if (left.is_negative() || left_missing.is_negative()) return false;
  }
  Exact left_squares = squares, left_sum = sum;
  left_squares.subtract(other.squares);
  left_sum.subtract(other.sum);
  // Squares cannot be negative, and no values have no sum: such a part was never added.
  bool empty = whole ? count == other.count : total_count() == other.total_count();
  if (left_squares.is_negative()) return false;
  if (empty && !(left_squares.is_zero() && left_sum.is_zero())) return false;
  sum = std::move(left_sum);
  squares = std::move(left_squares);
  add_whole(count, fraction, &Fraction::count, -other.count);
  add_whole(missing, fraction, &Fraction::missing, -other.missing);
  if (!whole) {
    if (!fraction) fraction = std::make_unique<Fraction>();
    if (other.fraction) {
      fraction->count.subtract(other.fraction->count);
      fraction->missing.subtract(other.fraction->missing);
    }
    if (fraction->count.is_zero() && fraction->missing.is_zero()) fraction.reset();
  }
  if (empty) clear_extremes();
  return true;
}

bool Column::fill_with_zeros(const Column& whole) {
  if (!fraction && !whole.fraction) {
    int64_t rest = whole.count - count - missing;
    if (rest < 0) return false;
    if (rest > 0) include(value_of(0.0));
    count += rest;
    return true;
  }
  Exact rest = whole.total_count();
  rest.subtract(total_count());
  rest.subtract(total_missing());
  if (rest.is_negative()) return false;
  if (!rest.is_zero()) include(value_of(0.0));
  add_count(rest);
  return true;
}

bool Column::same_group_element(const Column& other) const {
  if (!fraction && !other.fraction) {
    if (count != other.count || missing != other.missing) return false;
  } else if (!(total_count() == other.total_count() && total_missing() == other.total_missing())) {
    return false;
  }
  return sum == other.sum && squares == other.squares;
}

int64_t Moments::bytes() const {
  std::lock_guard lock(mutex_);
  std::size_t bytes = sizeof(Moments) + columns_.capacity() * sizeof(Column);
  for (const Column& column : columns_) {
    bytes += column.sum.heap_bytes() + column.squares.heap_bytes();
    if (column.fraction) {
      bytes += sizeof(Fraction) + column.fraction->count.heap_bytes() +
               column.fraction->missing.heap_bytes();
    }
  }
  return int64_t(bytes);
}

bool Moments::has_rows() const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [](const Column& column) { return column.has_rows(); });
}

void Moments::add(const Moments& other) {
  if (&other == this) return add(other.snapshot());
  std::scoped_lock lock(mutex_, other.mutex_);
  Column* column = columns_.data();
  for (const Column& more : other.columns_) (column++)->add(more);
  extremes_are_bounds_ |= other.extremes_are_bounds_;
}

void Moments::add(std::vector<Column> more, int64_t first) {
  std::lock_guard lock(mutex_);
  if (more.size() == columns_.size() && !has_rows()) {
    columns_ = std::move(more);
    return;
  }
  Column* column = columns_.data() + first;
  for (const Column& each : more) (column++)->add(each);
}

void Moments::grow(int64_t columns) {
  std::lock_guard lock(mutex_);
  if (columns > int64_t(columns_.size())) columns_.resize(std::size_t(columns));
}

void Moments::add_groups(std::vector<Column> more, int64_t width, const int64_t* places) {
  const int64_t groups = int64_t(more.size()) / width;
  std::lock_guard lock(mutex_);
  bool in_order = true;
  int64_t end = 0;
  for (int64_t i = 0; i < groups; ++i) {
    in_order &= places[i] == i;
    end = std::max(end, places[i] + 1);
  }
  if (in_order && columns_.empty()) {
    columns_ = std::move(more);
    return;
  }
  if (end * width > int64_t(columns_.size())) columns_.resize(std::size_t(end * width));
  for (std::size_t i = 0; i < more.size(); ++i) {
    auto group = int64_t(i) / width, column = int64_t(i) % width;
    columns_[std::size_t(places[group] * width + column)].add(more[i]);
  }
}

int64_t Moments::subtract(const Moments& other) {
  if (&other == this) return subtract(Moments(other.snapshot()));
  std::scoped_lock lock(mutex_, other.mutex_);
  std::vector<Column> rest = columns_;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (!rest[i].subtract(other.columns_[i])) return int64_t(i);
  }
  columns_ = std::move(rest);
  extremes_are_bounds_ = true;
  return -1;
}

int64_t Moments::fill_with_zeros(const Column& whole) {
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].fill_with_zeros(whole)) return int64_t(i);
  }
  return -1;
}

bool Moments::operator==(const Moments& other) const {
  if (&other == this) return true;
  std::scoped_lock lock(mutex_, other.mutex_);
  if (columns_.size() != other.columns_.size()) return false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].same_group_element(other.columns_[i])) return false;
  }
  return true;
}

std::vector<Column> Moments::snapshot() const {
  std::lock_guard lock(mutex_);
  return columns_;
}

Column Moments::column(int64_t index) const {
  std::lock_guard lock(mutex_);
  return columns_[std::size_t(index)];
}

void Moments::set_column(int64_t index, Column column) {
  std::lock_guard lock(mutex_);
  columns_[std::size_t(index)] = std::move(column);
}

bool Moments::extremes_are_bounds() const {
  std::lock_guard lock(mutex_);
  return extremes_are_bounds_;
}

void Moments::set_extremes_are_bounds(bool bounds) {
  std::lock_guard lock(mutex_);
  extremes_are_bounds_ = bounds;
}

}  // namespace evenly
