// Statistics from exact sums. The Python tests compare every bit with Python's integers; these
// tests check results that are known without a reference.
#include "exact/finalize.h"

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
