// Moments can be merged in any order and subtracted again, and their counts never overflow.
#include "exact/moments.h"

#include "sum/scalar_sum.h"
#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

ExactSum exact(double value) {
  ExactSum sum;
  sum.add(value);
  return sum;
}

Column random_column(Random& random, bool weighted) {
  Column column;
  for (int64_t i = random.below(20); i > 0; --i) {
    double x = std::ldexp(double(random.between(-1000, 1000)), int(random.between(-90, 90)));
    if (weighted) {
      double weight = double(random.between(1, 1000)) * random.one_of({1.0, 0.5, 0x1p-70, 0x1p61});
      add_weighted_sums(column, scaled(weight), x);
      column.include(extreme_value(x));
      random.one_in(5) ? column.add_missing(exact(weight)) : column.add_count(exact(weight));
    } else {
      add_scalar(column, x);
      ++column.count;
      column.missing += random.below(3);
    }
  }
  if (column.total_count().is_zero()) return Column();
  return column;
}

Moments random_moments(Random& random, int64_t columns) {
  std::vector<Column> all;
  bool weighted = random.one_in(2);
  for (int64_t i = 0; i < columns; ++i) all.push_back(random_column(random, weighted));
  return Moments(std::move(all));
}

Moments copy_of(const Moments& moments) { return Moments(moments.snapshot()); }

}  // namespace

TEST(subtraction_undoes_addition) {
  Random random(seed());
  for (int64_t run = 0; run < portion(1500); ++run) {
    Moments a = random_moments(random, 5), b = random_moments(random, 5);
    Moments sum = copy_of(a);
    sum.add(b);
    Moments reversed = copy_of(b);
    reversed.add(a);
    CHECK(sum == reversed);
    CHECK(sum.subtract(b) == -1);
    CHECK(sum == a);
    CHECK(sum.extremes_are_bounds());
    CHECK(sum.subtract(a) == -1);
    CHECK(sum == Moments(5));
    for (const Column& column : sum.snapshot()) CHECK(!column.has_values());
  }
}

TEST(addition_is_associative_and_commutative) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    Moments a = random_moments(random, 3), b = random_moments(random, 3),
            c = random_moments(random, 3);
    Moments left = copy_of(a), right = copy_of(b);
    left.add(b);
    left.add(c);
    right.add(c);
    right.add(a);
    CHECK(left == right);
  }
}

TEST(subtracting_moments_that_were_never_added_fails_and_changes_nothing) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    Moments a = random_moments(random, 4), more = copy_of(a);
    Column one;
    add_scalar(one, 3.0);
    one.count = 1;
    std::vector<Column> columns(4);
    int64_t at = random.below(4);
    columns[std::size_t(at)] = one;
    more.add(Moments(columns));
    Moments before = copy_of(a);
    CHECK(a.subtract(more) == at);
    CHECK(a == before);
    CHECK(!a.extremes_are_bounds());
  }
}

TEST(fill_with_zeros_adds_the_missing_rows) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    Moments some = random_moments(random, 4), all = copy_of(some);
    std::vector<Column> zeros(4), parts = some.snapshot();
    Column whole;
    for (int i = 0; i < 4; ++i) {
      whole.add_count(parts[std::size_t(i)].total_count());
      whole.add_count(parts[std::size_t(i)].total_missing());
    }
    for (int i = 0; i < 4; ++i) {
      ExactSum rest = whole.total_count();
      rest.subtract(parts[std::size_t(i)].total_count());
      rest.subtract(parts[std::size_t(i)].total_missing());
      if (!rest.is_zero()) add_scalar(zeros[std::size_t(i)], 0.0);
      zeros[std::size_t(i)].add_count(rest);
    }
    all.add(Moments(zeros));
    CHECK(some.fill_with_zeros(whole) == -1);
    CHECK(some == all);
    for (int64_t i = 0; i < 4; ++i) {
      CHECK(some.column(i).min == all.column(i).min);
      CHECK(some.column(i).max == all.column(i).max);
    }
  }
  Column one, none;
  one.add_count(exact(1));
  CHECK(Moments(std::vector<Column>(2)).fill_with_zeros(none) == -1);
  Moments two(std::vector<Column>{none, one});
  CHECK(two.fill_with_zeros(none) == 1);
}

TEST(moments_can_be_added_to_and_subtracted_from_themselves) {
  Random random(seed());
  Moments a = random_moments(random, 3), twice = copy_of(a);
  twice.add(a);
  Moments same = copy_of(a);
  same.add(same);
  CHECK(same == twice);
  CHECK(same == same);
  CHECK(same.subtract(same) == -1);
  CHECK(same == Moments(3));
}

TEST(total_weights_beyond_64_bits_are_exact) {
  Column column, other;
  column.add_count(exact(0x1p61));
  column.add_missing(exact(0x1p61));
  for (int i = 0; i < 9; ++i) other.add(column);
  CHECK(other.total_count() == exact(9 * 0x1p61));
  CHECK(other.total_missing() == exact(9 * 0x1p61));
  for (int i = 0; i < 9; ++i) CHECK(other.subtract(column));
  CHECK(other.total_count().is_zero());
  Column one_by_one;
  for (int i = 0; i < 9; ++i) one_by_one.add_count(exact(0x1p61));
  CHECK(one_by_one.total_count() == exact(9 * 0x1p61));
}

TEST(ordinary_columns_need_at_most_256_bytes) {
  std::vector<Column> columns(1000);
  Random random(seed());
  for (Column& column : columns) {
    for (int i = 0; i < 100; ++i) {
      add_scalar(column,
                 std::ldexp(double(random.between(-1000, 1000)), int(random.between(-20, 20))));
      ++column.count;
    }
  }
  columns.shrink_to_fit();
  Moments moments(std::move(columns));
  CHECK(moments.bytes() <= 256 * 1000, std::to_string(moments.bytes()));
  for (int i = 0; i < 40; ++i) moments.add(moments);
  CHECK(moments.bytes() <= 256 * 1000, std::to_string(moments.bytes()));
}

TEST(rows_added_in_place_equal_rows_added_as_columns) {
  Random random(seed());
  int64_t in_place = 0, rows = 0;
  for (int64_t i = portion(3'000); i > 0; --i) {
    const int64_t width = random.between(1, 5);
    Moments one(width), other(width);
    int reach = random.one_of({0, 3, 70, 500});
    for (int64_t row = random.between(1, 40); row > 0; --row) {
      std::vector<double> values;
      for (int64_t j = 0; j < width; ++j) {
        double value = std::ldexp(double(int64_t(random.bits()) >> random.one_of({11, 30, 60})),
                                  int(random.between(-reach, reach)));
        values.push_back(random.one_in(9) ? NAN : random.one_in(9) ? -0.0 : value);
      }
      std::vector<Column> columns(std::size_t(width), Column{});
      for (std::size_t j = 0; j < columns.size(); ++j) {
        if (values[j] != values[j]) {
          ++columns[j].missing;
        } else {
          add_scalar(columns[j], values[j]);
          ++columns[j].count;
        }
      }
      ++rows;
      uint64_t version = one.version();
      bool added = one.add_row(values.data(), width);
      in_place += added;
      CHECK((one.version() != version) == added);
      if (!added) {
        CHECK(one == other);
        one.add(columns, 1);
      }
      other.add(columns, 1);
      CHECK(one == other && one.rows() == other.rows());
      for (int64_t j = 0; j < width; ++j) {
        Column a = one.column(j), b = other.column(j);
        CHECK(a.min == b.min && a.max == b.max);
        CHECK(std::signbit(a.min.nearest) == std::signbit(b.min.nearest));
      }
    }
  }
  CHECK(in_place > rows / 4, std::to_string(in_place));
}

TEST(a_row_with_an_infinity_is_not_added_in_place) {
  Moments moments(2);
  std::vector<Column> columns(2);
  for (Column& column : columns) {
    add_scalar(column, 1.5);
    ++column.count;
  }
  moments.add(columns, 1);
  const double infinity = std::numeric_limits<double>::infinity();
  const double rows[][2] = {{1.5, infinity}, {-infinity, 1.5}};
  for (const auto& row : rows) CHECK(!moments.add_row(row, 2));
  CHECK(!moments.add_row(rows[0], 1));
  CHECK(moments.rows() == 1 && moments.column(0).count == 1);
  const double finite[] = {1.5, 2.5};
  CHECK(moments.add_row(finite, 2) && moments.rows() == 2);
}

// Sums that grow for many rows get the headroom that they need.
TEST(rows_added_in_place_keep_headroom) {
  Moments moments(1);
  ExactSum squares;
  const double value = 0x1p62;
  int64_t in_place = 0;
  for (int i = 0; i < 1'000; ++i) {
    if (moments.add_row(&value, 1)) {
      ++in_place;
    } else {
      std::vector<Column> columns(1);
      add_scalar(columns[0], value);
      ++columns[0].count;
      moments.add(std::move(columns), 1);
    }
    squares.add(1, 124);
  }
  CHECK(in_place > 900 && moments.column(0).squares == squares);
}
