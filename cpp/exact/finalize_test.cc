// Statistics from exact sums. The Python tests compare every bit with Python's integers; these
// tests check results that are known without a reference.
#include "exact/finalize.h"

#include <bit>

#include "exact/short_finalize.h"
#include "sum/scalar_sum.h"
#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

Column column_of(const std::vector<double>& values) {
  Column column;
  for (double value : values) {
    add_scalar(column, value);
    ++column.count;
  }
  return column;
}

std::vector<double> random_values(Random& random, int reach) {
  std::vector<double> values;
  for (int64_t i = random.between(1, 30); i > 0; --i) {
    double x = double(int64_t(random.bits()) >> 11);
    values.push_back(std::ldexp(x, int(random.between(-reach, reach))));
  }
  return values;
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool same(const Statistics& a, const Statistics& b) {
  return a.status == b.status && same_bits(a.high, b.high) && same_bits(a.low, b.low) &&
         same_bits(a.factor, b.factor);
}

// Whether the short and the general path agree on a column; counts those that the short path
// handles.
bool paths_agree(const Column& column, int64_t correction, int64_t& handled) {
  bool agree = true;
  for (bool inverse : {false, true}) {
    Statistics statistics, general = finalize_any(column, correction, inverse);
    ShortFinalizer short_finalizer(correction, inverse);
    if (!short_finalizer(column, statistics)) {
      agree = agree && same(statistics, Statistics());
      continue;
    }
    ++handled;
    agree = agree && same(statistics, general);
  }
  return agree &&
         same(finalize(column, correction, false), finalize_any(column, correction, false));
}

ExactSum exact_sum(uint64_t value, int exponent) {
  ExactSum sum;
  sum.add_wide(int128(value), exponent);
  return sum;
}

// A count that has any number of bits, up to the largest one.
int64_t random_count(Random& random) {
  int64_t count = int64_t(random.of_length(63));
  return random.one_in(4) ? std::max<int64_t>(1, std::min<int64_t>(count, 20)) : count | 1;
}

}  // namespace

TEST(mean_and_std_of_equal_values) {
  Random random(seed());
  for (int64_t i = portion(20'000); i > 0; --i) {
    double value = std::ldexp(double(int64_t(random.bits()) >> 11), int(random.between(-200, 200)));
    std::vector<double> values(std::size_t(random.between(1, 40)), value);
    Statistics statistics = finalize(column_of(values), 0, random.one_in(2));
    CHECK(statistics.status == Status::kCertain);
    CHECK(statistics.high == value && statistics.low == 0 && statistics.factor == 0);
  }
}

TEST(mean_and_std_of_two_values) {
  Random random(seed());
  for (int64_t i = portion(20'000); i > 0; --i) {
    double middle = double(random.between(-1'000'000, 1'000'000));
    double half = double(random.between(1, 1'000'000));
    std::vector<double> values;
    for (int64_t pairs = random.between(1, 9); pairs > 0; --pairs) {
      values.push_back(middle - half);
      values.push_back(middle + half);
    }
    Statistics statistics = finalize(column_of(values), 0, false);
    CHECK(statistics.status == Status::kCertain);
    CHECK(statistics.high == middle && statistics.low == 0 && statistics.factor == 1 / half);
    CHECK(finalize(column_of(values), 0, true).factor == half);
  }
}

TEST(results_scale_with_powers_of_two_and_sign) {
  Random random(seed());
  for (int64_t i = portion(20'000); i > 0; --i) {
    std::vector<double> values = random_values(random, 30), scaled;
    int power = int(random.between(-100, 100));
    for (double value : values) scaled.push_back(-std::ldexp(value, power));
    bool inverse = random.one_in(2);
    Statistics one = finalize(column_of(values), 0, inverse),
               other = finalize(column_of(scaled), 0, inverse);
    CHECK(one.status == other.status);
    if (one.status != Status::kCertain) continue;
    CHECK(other.high == -std::ldexp(one.high, power) && other.low == -std::ldexp(one.low, power));
    CHECK(other.factor == std::ldexp(one.factor, inverse ? power : -power));
    CHECK(std::abs(one.low) <= std::abs(one.high) * 0x1p-53);
  }
}

TEST(columns_of_any_range_are_finalized_or_uncertain) {
  Random random(seed());
  for (int64_t i = portion(5'000); i > 0; --i) {
    Statistics statistics = finalize(column_of(random_values(random, 960)), random.below(3), false);
    CHECK(std::isfinite(statistics.high) && std::isfinite(statistics.low));
  }
}

TEST(too_few_values_have_a_mean_but_no_std) {
  CHECK(finalize(Column(), 0, false).status == Status::kUndefined);
  Statistics one = finalize(column_of({3.5}), 1, false);
  CHECK(one.status == Status::kUndefined && one.high == 3.5 && one.factor == 0);
}

TEST(short_sums_of_values_give_the_same_bits) {
  Random random(seed());
  int64_t handled = 0, columns = portion(300'000);
  for (int64_t i = columns; i > 0; --i) {
    std::vector<double> values = random_values(random, random.one_of({0, 1, 10, 40, 100, 500}));
    if (random.one_in(3)) {
      double offset = std::ldexp(1.0, int(random.between(-60, 120)));
      for (double& value : values) value += offset;
    }
    if (random.one_in(5)) {  // integers, whose sums and means are often exact
      for (double& value : values) value = double(random.between(-100, 100));
    }
    CHECK(paths_agree(column_of(values), random.below(3), handled), std::to_string(i));
  }
  CHECK(handled > columns / 2, std::to_string(handled));
}

// Sums of any length and sign, which no data need to have.
TEST(short_sums_of_any_bits_give_the_same_bits) {
  Random random(seed());
  int64_t handled = 0, columns = portion(1'000'000);
  for (int64_t i = columns; i > 0; --i) {
    Column column;
    column.count = random_count(random);
    for (int64_t parts = random.between(0, 4); parts > 0; --parts) {
      column.sum.add(int64_t(random.bits()) >> random.below(64), int(random.between(-140, 130)));
    }
    for (int64_t parts = random.between(0, 4); parts > 0; --parts) {
      column.squares.add(exact_sum(random.bits(), int(random.between(-280, 300))));
    }
    CHECK(paths_agree(column, random.below(3), handled), std::to_string(i));
  }
  CHECK(handled > columns / 4, std::to_string(handled));
}

// count * squares - sum^2 is as small as it can be, and the mean is a tie, or next to one, or has
// a remainder that is one.
TEST(short_sums_near_a_tie_give_the_same_bits) {
  Random random(seed());
  int64_t handled = 0, columns = portion(200'000);
  for (int64_t i = columns; i > 0; --i) {
    Column column;
    column.count = random_count(random);
    // A mean of 54 bits that ends with 1 is halfway between two doubles; the further parts do the
    // same for the remainder.
    ExactSum mean;
    uint64_t top = uint64_t(1) << 53 | random.bits() >> 11 | 1;
    int exponent = int(random.between(-100, 60));
    mean.add(int64_t(top), exponent);
    for (int64_t parts = random.below(3); parts > 0; --parts) {
      exponent -= int(random.one_of({1, 53, 54, 55, 60, 63, 64, 65, 100}));
      mean.add(random.one_of<int64_t>({-1, 1}), exponent);
    }
    // sum = count * mean, bit by bit of the count.
    for (int bit = 0; bit < 63; ++bit) {
      ExactSum scaled;
      Dyadic part = mean.dyadic();
      part.exponent += bit;
      scaled.assign(part);
      if (column.count >> bit & 1) column.sum.add(scaled);
    }
    if (random.one_in(2)) column.sum.add(random.one_of<int64_t>({-1, 1}), exponent);
    if (random.one_in(2)) {
      ExactSum negative;
      negative.subtract(column.sum);
      column.sum = negative;
    }
    column.squares = exact_sum(random.bits(), int(random.between(0, 100)));
    CHECK(paths_agree(column, random.below(2), handled), std::to_string(i));
  }
  CHECK(handled > columns / 4, std::to_string(handled));
}

TEST(almost_constant_columns_give_the_same_bits) {
  Random random(seed());
  int64_t handled = 0, columns = portion(300'000);
  for (int64_t i = columns; i > 0; --i) {
    double value = std::ldexp(double(int64_t(random.bits()) >> 11), int(random.between(-90, 90)));
    std::vector<double> values(std::size_t(random.between(1, 20)), value);
    if (random.one_in(2)) values.push_back(std::nextafter(value, 2 * value));
    if (random.one_in(9)) values.push_back(0);
    CHECK(paths_agree(column_of(values), random.below(2), handled), std::to_string(i));
  }
  CHECK(handled > columns, std::to_string(handled));
}

TEST(sums_at_the_limits_of_the_short_path) {
  int64_t handled = 0;
  for (int64_t count : {int64_t(1), int64_t(2), int64_t(3), (int64_t(1) << 53) - 1,
                        int64_t(1) << 53, (int64_t(1) << 53) + 1, INT64_MAX - 1, INT64_MAX}) {
    for (int exponent = -900; exponent <= 900; ++exponent) {
      for (int64_t mantissa : {int64_t(1), int64_t(-1), INT64_MAX, INT64_MIN, int64_t(0)}) {
        Column column;
        column.count = count;
        column.sum.add(mantissa, exponent);
        column.squares.add_wide(int128(mantissa) * mantissa, 2 * exponent);
        CHECK(paths_agree(column, 1, handled), std::to_string(exponent));
        column.sum.add(1, exponent - 200);
        CHECK(paths_agree(column, 0, handled), std::to_string(exponent));
      }
    }
  }
  CHECK(handled > 10'000, std::to_string(handled));
}
