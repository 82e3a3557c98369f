#include "exact/moments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "base/fp_environment.h"

namespace evenly {
namespace {

// Adds to the integer part; what would overflow it is added to the exact part.
void add_integer(int64_t& whole, std::unique_ptr<FractionalWeights>& fraction,
                 ExactSum FractionalWeights::* part, int64_t more) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(whole, more, &sum)) {
    whole = sum;
    return;
  }
  if (!fraction) fraction = std::make_unique<FractionalWeights>();
  ((*fraction).*part).add(more, 0);
}

// Adds the weight to the integer part if it is an integer that fits, otherwise to the exact part.
void add_weight(int64_t& whole, std::unique_ptr<FractionalWeights>& fraction,
                ExactSum FractionalWeights::* part, const ExactSum& weight) {
  Dyadic value = weight.dyadic();
  bool fits =
      value.limbs.empty() ||
      (value.exponent >= 0 && value.limbs.size() == 1 && value.exponent < 62 &&
       value.limbs[0] <= uint64_t(std::numeric_limits<int64_t>::max() / 2) >> value.exponent);
  if (fits) {
    int64_t integer = value.limbs.empty() ? 0 : int64_t(value.limbs[0] << value.exponent);
    return add_integer(whole, fraction, part, value.negative ? -integer : integer);
  }
  if (!fraction) fraction = std::make_unique<FractionalWeights>();
  ((*fraction).*part).add(weight);
}

ExactSum total(int64_t whole, const ExactSum* part) {
  ExactSum sum;
  sum.add(whole, 0);
  if (part) sum.add(*part);
  return sum;
}

// Adds columns to others in one pass. Unless keep() is called, the destructor undoes it: so an
// exception (std::bad_alloc) leaves the columns unchanged. Column i of `more`, which receives what
// undoing needs, is added to *at(i), or not at all if that is null.
template <class ColumnAt>
class Addition {
 public:
  Addition(std::vector<Column>& more, ColumnAt at) : more_(more), at_(std::move(at)) {
    try {
      for (; done_ < more_.size(); ++done_) {
        if (Column* column = at_(done_)) add(*column, more_[done_]);
      }
    } catch (...) {
      undo();
      throw;
    }
  }
  Addition(const Addition&) = delete;
  Addition& operator=(const Addition&) = delete;
  ~Addition() { undo(); }

  // Prepares a smaller number of bins.
  void limit(Column& column, int64_t most_bins) {
    if (!column.histogram) return;
    sums_.try_emplace(&column, column).first->second.histogram->limit(most_bins);
  }
  void keep() noexcept {
    for (auto& [column, sum] : sums_) *column = std::move(sum);
    done_ = 0;
  }

 private:
  void add(Column& column, Column& more) {
    const ExtremeValue min = column.min, max = column.max;
    if (column.adds_in_place(more) && (sums_.empty() || !sums_.contains(&column))) {
      column.reserve_for(more);
      column.add_in_place(more);
    } else {
      sums_.try_emplace(&column, column).first->second.add(more);
      more = Column();
    }
    more.min = min;
    more.max = max;
  }
  void undo() noexcept {
    while (done_ > 0) {
      --done_;
      if (Column* column = at_(done_)) column->undo_add(more_[done_]);
    }
  }

  std::vector<Column>& more_;
  ColumnAt at_;
  std::size_t done_ = 0;
  // Sums that need new memory, because a histogram has new bins or a count is no longer a 64-bit
  // integer.
  std::unordered_map<Column*, Column> sums_;
};

std::invalid_argument mixed_distributions() {
  return std::invalid_argument("both or none of the states must have distributions");
}

bool any_rows(const std::vector<Column>& columns) {
  return std::any_of(columns.begin(), columns.end(),
                     [](const Column& column) { return column.has_rows(); });
}

// A finite double: mantissa * 2^exponent, without trailing zeros, so that few words are touched.
struct Term {
  int64_t mantissa;
  int exponent;

  explicit Term(double value) {
    uint64_t bits = std::bit_cast<uint64_t>(value), fraction = bits & ((uint64_t(1) << 52) - 1);
    int field = int(bits >> 52) & 0x7ff;
    if (field != 0) fraction |= uint64_t(1) << 52;
    int zeros = fraction == 0 ? 0 : std::countr_zero(fraction);
    mantissa = bits >> 63 ? -int64_t(fraction >> zeros) : int64_t(fraction >> zeros);
    exponent = std::max(field, 1) - 1075 + zeros;
  }
  int128 square() const { return int128(mantissa) * mantissa; }
};

// Whether a value, or NaN, can be added without new memory.
bool has_room_for(const Column& column, double value) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  if (column.fraction || column.count == kMost || column.missing == kMost) return false;
  if (value != value) return true;
  if (std::isinf(value)) return false;
  Term term(value);
  return column.sum.has_room_for(term.mantissa, term.exponent) &&
         column.squares.has_room_for(term.square(), 2 * term.exponent);
}

// Adds a value, or NaN, for which there is room.
void add_in_place(Column& column, double value) noexcept {
  if (value != value) {
    ++column.missing;
    return;
  }
  Term term(value);
  column.sum.add(term.mantissa, term.exponent);
  column.squares.add_wide(term.square(), 2 * term.exponent);
  column.include(extreme_value(value));
  ++column.count;
}

// Whether a column has all bins of its sum with another, or neither has any.
bool has_bins_of_sum(const Column& column, const Column& other) {
  if (!column.histogram && !other.histogram) return true;
  if (!other.has_rows()) return column.has_rows() || column.histogram;
  return column.histogram && other.histogram && column.histogram->knows(*other.histogram);
}

// Reserves capacity, so that elements can be appended without an exception.
template <class T>
void reserve_more(std::vector<T>& values, std::size_t wanted) {
  if (wanted > values.capacity()) values.reserve(std::max(wanted, 2 * values.capacity()));
}

}  // namespace

Column::Column(const Column& other)
    : count(other.count),
      missing(other.missing),
      min(other.min),
      max(other.max),
      sum(other.sum),
      squares(other.squares) {
  if (other.fraction) fraction = std::make_unique<FractionalWeights>(*other.fraction);
  if (other.histogram) histogram = std::make_unique<Histogram>(*other.histogram);
}

Column& Column::operator=(const Column& other) {
  if (this != &other) *this = Column(other);
  return *this;
}

void Column::clear_extremes() {
  min = {std::numeric_limits<double>::infinity(), 0};
  max = {-std::numeric_limits<double>::infinity(), 0};
}

ExactSum Column::total_count() const { return total(count, fraction ? &fraction->count : nullptr); }
ExactSum Column::total_missing() const {
  return total(missing, fraction ? &fraction->missing : nullptr);
}
void Column::add_count(const ExactSum& weight) {
  add_weight(count, fraction, &FractionalWeights::count, weight);
}
void Column::add_missing(const ExactSum& weight) {
  add_weight(missing, fraction, &FractionalWeights::missing, weight);
}

void Column::check_countable() const {
  if (fraction) throw std::overflow_error("a distribution has at most 2**63 - 1 values per column");
}

std::unique_ptr<Histogram> Column::add_histograms(const Column& other) const {
  auto copy = [](const Column& column) {
    return column.histogram ? std::make_unique<Histogram>(*column.histogram) : nullptr;
  };
  if (!other.has_rows()) return copy(has_rows() || histogram ? *this : other);
  if (!has_rows()) return copy(other);
  if (!histogram && !other.histogram) return nullptr;
  if (!histogram || !other.histogram) throw mixed_distributions();
  auto sum = std::make_unique<Histogram>(*histogram);
  sum->add(*other.histogram);
  return sum;
}

void Column::add(const Column& other) {
  if (!histogram && !other.histogram) return add_sums(other);
  std::unique_ptr<Histogram> counts = add_histograms(other);
  add_sums(other);
  histogram = std::move(counts);
  if (histogram) check_countable();
}

void Column::add_sums(const Column& other) {
  add_integer(count, fraction, &FractionalWeights::count, other.count);
  add_integer(missing, fraction, &FractionalWeights::missing, other.missing);
  include(other);
  sum.add(other.sum);
  squares.add(other.squares);
  if (other.fraction) {
    add_count(other.fraction->count);
    add_missing(other.fraction->missing);
  }
}

void Column::add_in_place(const Column& other) {
  add_sums(other);
  if (other.histogram && other.has_rows()) histogram->add_known(*other.histogram);
}

void Column::undo_add(const Column& other) noexcept {
  if (other.histogram && other.has_rows()) histogram->subtract_known(*other.histogram);
  count -= other.count;
  missing -= other.missing;
  sum.subtract(other.sum);
  squares.subtract(other.squares);
  min = other.min;
  max = other.max;
}

bool Column::adds_in_place(const Column& other) const {
  int64_t sum = 0;
  return has_bins_of_sum(*this, other) && !fraction && !other.fraction &&
         !__builtin_add_overflow(count, other.count, &sum) &&
         !__builtin_add_overflow(missing, other.missing, &sum);
}

bool Column::subtract(const Column& other) {
  bool whole = !fraction && !other.fraction;
  if (whole) {
    if (count < other.count || missing < other.missing) return false;
  } else {
    ExactSum left = total_count(), left_missing = total_missing();
    left.subtract(other.total_count());
    left_missing.subtract(other.total_missing());
    if (left.is_negative() || left_missing.is_negative()) return false;
  }
  ExactSum left_squares = squares, left_sum = sum;
  if (histogram && !other.histogram && other.has_rows()) throw mixed_distributions();
  left_squares.subtract(other.squares);
  left_sum.subtract(other.sum);
  // Sums of squares are not negative, and no values have a sum of 0: otherwise `other` was never
  // added.
  bool empty = whole ? count == other.count : total_count() == other.total_count();
  if (left_squares.is_negative()) return false;
  if (empty && !(left_squares.is_zero() && left_sum.is_zero())) return false;
  if (histogram && other.histogram && !histogram->subtract(*other.histogram)) return false;
  sum = std::move(left_sum);
  squares = std::move(left_squares);
  add_integer(count, fraction, &FractionalWeights::count, -other.count);
  add_integer(missing, fraction, &FractionalWeights::missing, -other.missing);
  if (!whole) {
    if (!fraction) fraction = std::make_unique<FractionalWeights>();
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
    if (rest > 0) include(extreme_value(0.0));
    if (histogram) histogram->add(0.0, rest);
    count += rest;
    return true;
  }
  ExactSum rest = whole.total_count();
  rest.subtract(total_count());
  rest.subtract(total_missing());
  if (rest.is_negative()) return false;
  if (histogram) whole.check_countable();
  if (!rest.is_zero()) include(extreme_value(0.0));
  add_count(rest);
  return true;
}

bool Column::equal_sums(const Column& other) const {
  if (!fraction && !other.fraction) {
    if (count != other.count || missing != other.missing) return false;
  } else if (!(total_count() == other.total_count() && total_missing() == other.total_missing())) {
    return false;
  }
  return sum == other.sum && squares == other.squares;
}

Moments::Moments(const Moments& other) {
  std::lock_guard lock(other.mutex_);
  columns_ = other.columns_;
  rows_ = other.rows_;
  most_bins_ = other.most_bins_;
  version_ = other.version_;
  extremes_are_bounds_ = other.extremes_are_bounds_;
}

Moments::Moments(Moments&& other) noexcept
    : columns_(std::move(other.columns_)),
      rows_(std::move(other.rows_)),
      most_bins_(other.most_bins_),
      version_(other.version_),
      extremes_are_bounds_(other.extremes_are_bounds_) {}

int64_t Moments::size() const {
  std::lock_guard lock(mutex_);
  return int64_t(columns_.size());
}

int64_t Moments::groups() const {
  std::lock_guard lock(mutex_);
  return int64_t(rows_.size());
}

int64_t Moments::bytes() const {
  std::lock_guard lock(mutex_);
  std::size_t bytes =
      sizeof(Moments) + columns_.capacity() * sizeof(Column) + rows_.capacity() * sizeof(int64_t);
  for (const Column& column : columns_) {
    bytes += column.sum.heap_bytes() + column.squares.heap_bytes();
    if (column.fraction) {
      bytes += sizeof(FractionalWeights) + column.fraction->count.heap_bytes() +
               column.fraction->missing.heap_bytes();
    }
    if (column.histogram) bytes += sizeof(Histogram) + column.histogram->heap_bytes();
  }
  return int64_t(bytes);
}

int64_t Moments::most_bins() const {
  std::lock_guard lock(mutex_);
  return most_bins_;
}

uint64_t Moments::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

int64_t Moments::rows() const {
  std::lock_guard lock(mutex_);
  return std::accumulate(rows_.begin(), rows_.end(), int64_t(0));
}

std::vector<int64_t> Moments::group_rows() const {
  std::lock_guard lock(mutex_);
  return rows_;
}

void Moments::set_group_rows(std::vector<int64_t> rows) {
  std::lock_guard lock(mutex_);
  rows_ = std::move(rows);
  ++version_;
}

bool Moments::has_rows() const { return any_rows(columns_); }

void Moments::add(std::vector<Column> more, int64_t rows, int64_t first) {
  ScopedFpEnvironment fp_environment;
  std::lock_guard lock(mutex_);
  if (more.size() == columns_.size() && !has_rows()) {
    columns_ = std::move(more);
  } else {
    Addition addition(more, [&](std::size_t i) { return &columns_[std::size_t(first) + i]; });
    addition.keep();
  }
  rows_.front() += rows;
  ++version_;
}

bool Moments::add_row(const double* values, int64_t count) {
  ScopedFpEnvironment fp_environment;
  std::lock_guard lock(mutex_);
  if (count != int64_t(columns_.size()) || rows_.size() != 1 || most_bins_ != 0) return false;
  for (int64_t i = 0; i < count; ++i) {
    if (!has_room_for(columns_[std::size_t(i)], values[i])) return false;
  }
  for (int64_t i = 0; i < count; ++i) add_in_place(columns_[std::size_t(i)], values[i]);
  rows_.front() += 1;
  ++version_;
  return true;
}

bool Moments::add(const Moments& other, const Hooks& hooks, bool all_or_nothing) {
  if (&other == this) return merge(Moments(other), hooks);
  std::scoped_lock lock(mutex_, other.mutex_);
  if (has_rows() && !all_or_nothing) return add_columns(other, hooks);
  if (has_rows()) {
    Moments copy(std::vector<Column>(other.columns_), other.extremes_are_bounds_, 1,
                 other.most_bins_);
    copy.rows_ = other.rows_;
    return add_or_undo(copy, hooks);
  }
  std::vector<Column> columns = other.columns_;
  std::vector<int64_t> rows = other.rows_;
  return adopt(columns, rows, other, hooks);
}

bool Moments::merge(Moments&& other, const Hooks& hooks) {
  std::lock_guard lock(mutex_);
  if (has_rows()) return add_or_undo(other, hooks);
  return adopt(other.columns_, other.rows_, other, hooks);
}

bool Moments::add_columns(const Moments& other, const Hooks& hooks) {
  ScopedFpEnvironment fp_environment;
  check_same_size(other);
  const int64_t bins = bins_with(other.columns_, other.most_bins_);
  if (!hooks.allow()) return false;
  hooks.commit();
  most_bins_ = bins;
  Column* column = columns_.data();
  for (const Column& more : other.columns_) (column++)->add(more);
  add_rows(other);
  return true;
}

bool Moments::add_or_undo(Moments& other, const Hooks& hooks) {
  ScopedFpEnvironment fp_environment;
  check_same_size(other);
  const int64_t bins = bins_with(other.columns_, other.most_bins_);
  if (!hooks.allow()) return false;
  Addition addition(other.columns_, [&](std::size_t i) { return &columns_[i]; });
  if (0 < bins && bins < most_bins_) {
    for (Column& column : columns_) addition.limit(column, bins);
  }
  addition.keep();
  hooks.commit();
  most_bins_ = bins;
  add_rows(other);
  return true;
}

int64_t Moments::bins_with(const std::vector<Column>& more, int64_t most_bins) const {
  const bool theirs = any_rows(more), ours = has_rows();
  if (ours != theirs) return ours ? most_bins_ : most_bins;
  if (most_bins_ != 0 && most_bins != 0) return std::min(most_bins_, most_bins);
  if (ours && most_bins_ != most_bins) throw mixed_distributions();
  return std::max(most_bins_, most_bins);
}

void Moments::check_same_size(const Moments& other) const {
  if (columns_.size() != other.columns_.size() || rows_.size() != other.rows_.size())
    throw std::invalid_argument("the states must have the same number of columns");
}

void Moments::add_rows(const Moments& other) {
  for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i] += other.rows_[i];
  extremes_are_bounds_ |= other.extremes_are_bounds_;
  ++version_;
}

bool Moments::adopt(std::vector<Column>& columns, std::vector<int64_t>& rows, const Moments& other,
                    const Hooks& hooks) {
  if (!hooks.allow()) return false;
  hooks.commit();
  most_bins_ = bins_with(columns, other.most_bins_);
  extremes_are_bounds_ |= other.extremes_are_bounds_;
  for (std::size_t i = 0; i < std::min(rows_.size(), rows.size()); ++i) {
    rows[i] += rows_[i];  // rows whose weights are all zero
  }
  columns_.swap(columns);
  rows_.swap(rows);
  ++version_;
  return true;
}

void Moments::grow(int64_t columns) {
  std::lock_guard lock(mutex_);
  if (columns > int64_t(columns_.size())) columns_.resize(std::size_t(columns));
  ++version_;
}

bool Moments::add_groups(std::vector<Column> more, const std::vector<int64_t>& rows, int64_t width,
                         const int64_t* indices, bool bounds, const Hooks& hooks,
                         int64_t most_bins) {
  ScopedFpEnvironment fp_environment;
  std::lock_guard lock(mutex_);
  const std::size_t w = std::size_t(width);
  std::size_t end = rows_.size();
  for (std::size_t i = 0; i < rows.size(); ++i) end = std::max(end, std::size_t(indices[i]) + 1);
  reserve_more(columns_, end * w);
  reserve_more(rows_, end);
  auto index = [&](std::size_t i) { return std::size_t(indices[i / w]) * w + i % w; };
  const std::size_t known = columns_.size();
  const int64_t bins = bins_with(more, most_bins);
  if (!hooks.allow()) return false;
  if (0 < bins && bins < most_bins) {
    for (Column& column : more) {
      if (column.histogram) column.histogram->limit(bins);
    }
  }
  Addition addition(
      more, [&](std::size_t i) { return index(i) < known ? &columns_[index(i)] : nullptr; });
  if (0 < bins && bins < most_bins_) {
    for (Column& column : columns_) addition.limit(column, bins);
  }
  columns_.resize(end * w);
  rows_.resize(end);
  for (std::size_t i = 0; i < more.size(); ++i) {
    if (index(i) >= known) columns_[index(i)] = std::move(more[i]);
  }
  addition.keep();
  hooks.commit();
  for (std::size_t i = 0; i < rows.size(); ++i) rows_[std::size_t(indices[i])] += rows[i];
  most_bins_ = bins;
  extremes_are_bounds_ |= bounds;
  ++version_;
  return true;
}

Moments Moments::without_histograms() const {
  Moments copy(*this);
  for (Column& column : copy.columns_) column.histogram.reset();
  copy.most_bins_ = 0;
  return copy;
}

Moments Moments::limit_bins(int64_t most_bins) const {
  Moments copy(*this);
  for (Column& column : copy.columns_) {
    if (column.histogram) column.histogram->limit(most_bins);
  }
  copy.most_bins_ = std::min(copy.most_bins_, most_bins);
  return copy;
}

Moments Moments::total(int64_t width) const {
  ScopedFpEnvironment fp_environment;
  std::lock_guard lock(mutex_);
  Moments sum(width, 1, most_bins_);
  sum.extremes_are_bounds_ = extremes_are_bounds_;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    sum.columns_[i % std::size_t(width)].add(columns_[i]);
  }
  sum.rows_.front() = std::accumulate(rows_.begin(), rows_.end(), int64_t(0));
  return sum;
}

Moments Moments::take(const std::vector<int64_t>& indices) const {
  std::lock_guard lock(mutex_);
  std::vector<Column> taken;
  taken.reserve(indices.size());
  for (int64_t index : indices) taken.push_back(columns_.at(std::size_t(index)));
  Moments result(std::move(taken), extremes_are_bounds_, 1, most_bins_);
  result.rows_.front() = std::accumulate(rows_.begin(), rows_.end(), int64_t(0));
  return result;
}

Moments Moments::take_columns(const std::vector<int64_t>& indices, int64_t width) const {
  std::lock_guard lock(mutex_);
  std::vector<Column> taken;
  taken.reserve(indices.size() * rows_.size());
  for (std::size_t first = 0; first < columns_.size(); first += std::size_t(width)) {
    for (int64_t index : indices) taken.push_back(columns_.at(first + std::size_t(index)));
  }
  Moments result(std::move(taken), extremes_are_bounds_, 1, most_bins_);
  result.rows_ = rows_;
  return result;
}

Moments Moments::take_groups(const int64_t* indices, int64_t count, int64_t width) const {
  std::lock_guard lock(mutex_);
  Moments taken(count * width, count, most_bins_);
  taken.extremes_are_bounds_ = extremes_are_bounds_;
  for (int64_t i = 0; i < count; ++i) {
    if (indices[i] < 0) continue;
    auto from = columns_.begin() + indices[i] * width;
    std::copy(from, from + width, taken.columns_.begin() + i * width);
    taken.rows_[std::size_t(i)] = rows_[std::size_t(indices[i])];
  }
  return taken;
}

int64_t Moments::subtract(const Moments& other) {
  if (&other == this) return subtract(Moments(other.snapshot()));
  std::scoped_lock lock(mutex_, other.mutex_);
  std::vector<Column> rest = columns_;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (!rest[i].subtract(other.columns_[i])) return int64_t(i);
  }
  if (most_bins_ != 0) {
    most_bins_ = bins_with(other.columns_, other.most_bins_);
    for (Column& column : rest) {
      if (column.histogram) column.histogram->limit(most_bins_);
    }
  }
  columns_ = std::move(rest);
  for (std::size_t i = 0; i < std::min(rows_.size(), other.rows_.size()); ++i) {
    rows_[i] = std::max<int64_t>(0, rows_[i] - other.rows_[i]);
  }
  extremes_are_bounds_ = true;
  ++version_;
  return -1;
}

int64_t Moments::fill_with_zeros(const Column& whole) {
  ScopedFpEnvironment fp_environment;
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].fill_with_zeros(whole)) return int64_t(i);
  }
  ++version_;
  return -1;
}

bool Moments::operator==(const Moments& other) const {
  if (&other == this) return true;
  std::scoped_lock lock(mutex_, other.mutex_);
  if (columns_.size() != other.columns_.size()) return false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].equal_sums(other.columns_[i])) return false;
  }
  return true;
}

std::vector<Column> Moments::snapshot() const {
  std::lock_guard lock(mutex_);
  return columns_;
}

std::vector<Column> Moments::release() {
  std::lock_guard lock(mutex_);
  ++version_;
  return std::exchange(columns_, {});
}

Column Moments::column(int64_t index) const {
  std::lock_guard lock(mutex_);
  return columns_[std::size_t(index)];
}

void Moments::set_column(int64_t index, Column column) {
  std::lock_guard lock(mutex_);
  columns_[std::size_t(index)] = std::move(column);
  ++version_;
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
