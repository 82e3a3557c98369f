// Histograms against their definition.
#include "distribution/histogram.h"

#include <cmath>
#include <limits>

#include "distribution/sort_keys.h"
#include "tests/check.h"
#include "tests/distribution_oracle.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

double random_value(Random& random, int kind) {
  switch (kind) {
    case 0:
      return double(random.between(-20, 20));
    case 1:
      return std::ldexp(double(random.between(-1000, 1000)), int(random.between(-1070, 960)));
    case 2:
      return 1.7e9 + double(random.below(1 << 20)) / 64;
    default:
      return from_ordered_bits(random.bits());
  }
}

struct Pair {
  Histogram histogram;
  DistributionOracle oracle;

  explicit Pair(int64_t most) : histogram(most) {}
  void add(double value, int64_t count) {
    if (!std::isfinite(value)) return;
    histogram.add(value, count);
    oracle.add(value, count);
  }
};

Pair random_pair(Random& random, int64_t most, int kind) {
  Pair pair(most);
  for (int64_t i = random.below(80); i > 0; --i) {
    pair.add(random_value(random, kind), random.between(1, 9));
  }
  return pair;
}

}  // namespace

TEST(ordered_bits_have_the_order_of_the_values) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double ascending[] = {-infinity, -1e308, -1, -5e-324, 0, 5e-324, 0.1, 1, 1e308, infinity};
  for (std::size_t i = 0; i + 1 < std::size(ascending); ++i) {
    CHECK(ordered_bits(ascending[i]) < ordered_bits(ascending[i + 1]));
    CHECK(from_ordered_bits(ordered_bits(ascending[i])) == ascending[i]);
  }
  CHECK(ordered_bits(-0.0) == ordered_bits(0.0));
}

TEST(sorted_values) {
  Random random(seed());
  for (int64_t run = 0; run < portion(200); ++run) {
    const int64_t most = random.one_of<int64_t>({2, 30, 1000});
    const int kind = int(random.below(5));
    std::vector<uint64_t> keys;
    DistributionOracle oracle;
    for (int64_t i = random.one_of<int64_t>({0, 10, 2000}); i > 0; --i) {
      // The last kind is of values that differ in their lower bits only.
      const double value = kind == 4 ? 1e9 + std::ldexp(double(random.below(1 << 20)), -20)
                                     : random_value(random, kind);
      if (!std::isfinite(value)) continue;
      keys.push_back(ordered_bits(value));
      oracle.add(value, 1);
    }
    CHECK(oracle.equals(histogram_of(keys, most)));
  }
}

TEST(values_one_by_one) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    const int64_t most = random.between(2, 30);
    Pair pair = random_pair(random, most, int(random.below(4)));
    CHECK(pair.oracle.equals(pair.histogram));
  }
}

TEST(sums_in_any_order) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    const int kind = int(random.below(4));
    Pair a = random_pair(random, random.between(2, 30), kind);
    Pair b = random_pair(random, random.between(2, 30), int(random.below(4)));
    Pair c = random_pair(random, 30, kind);
    Histogram left = a.histogram, right = c.histogram;
    left.add(b.histogram);
    left.add(c.histogram);
    right.add(b.histogram);
    right.add(a.histogram);
    a.oracle.add(b.oracle);
    a.oracle.add(c.oracle);
    CHECK(a.oracle.equals(left));
    CHECK(left.bins() == right.bins() && left.shift() == right.shift());
    CHECK(left.most_bins() == std::min(a.histogram.most_bins(), b.histogram.most_bins()));
  }
}

TEST(known_bins_are_added_in_place) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    Pair whole = random_pair(random, random.between(2, 30), int(random.below(3)));
    Histogram sum = whole.histogram;
    Histogram more(30);
    for (const Bin& bin : whole.histogram.bins()) {
      if (!random.one_in(3)) continue;
      more.add(from_ordered_bits(bin.key << whole.histogram.shift()), random.between(1, 5));
    }
    if (!sum.knows(more)) {
      CHECK(more.shift() > sum.shift() || more.most_bins() < sum.most_bins());
      continue;
    }
    Histogram expected = sum;
    expected.add(more);
    sum.add_known(more);
    sum.subtract_known(more);
    CHECK(sum.bins() == whole.histogram.bins());
    sum.add_known(more);
    CHECK(sum.bins() == expected.bins() && sum.shift() == expected.shift());
  }
}

TEST(subtraction_restores_counts_in_the_bins_of_the_sum) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    const int64_t most = random.between(2, 30);
    const int kind = int(random.below(4));
    Pair a = random_pair(random, most, kind), b = random_pair(random, most, kind);
    Histogram rest = a.histogram;
    rest.add(b.histogram);
    const int shift = rest.shift();
    CHECK(rest.subtract(b.histogram));
    if (a.histogram.bins().empty()) {
      CHECK(rest.bins().empty() && rest.shift() == 0);
    } else {
      CHECK(rest.shift() == shift && rest.bins() == a.oracle.bins(shift));
    }
    Histogram before = rest;
    b.add(3.0, 1000);
    CHECK(!rest.subtract(b.histogram));
    CHECK(rest.bins() == before.bins() && rest.shift() == before.shift());
  }
}

TEST(fewer_bins) {
  Random random(seed());
  for (int64_t run = 0; run < portion(300); ++run) {
    Pair pair = random_pair(random, 60, int(random.below(4)));
    pair.histogram.limit(random.between(2, 60));
    CHECK(pair.oracle.equals(pair.histogram));
  }
}

TEST(impossible_bins) {
  const uint64_t one = ordered_bits(1.0), two = ordered_bits(2.0);
  const Histogram good(8, 0, {{one, 3}, {two, 4}});
  CHECK(good.is_possible(7, 1.0, 2.0));
  CHECK(good.is_possible(7, 0.5, 3.0));
  CHECK(!good.is_possible(8, 1.0, 2.0));
  CHECK(!good.is_possible(7, 1.5, 2.0));
  CHECK(!good.is_possible(7, 1.0, 1.5));
  CHECK(!Histogram(8, 0, {{two, 3}, {one, 4}}).is_possible(7, 1.0, 2.0));
  CHECK(!Histogram(8, 0, {{one, 0}}).is_possible(0, 1.0, 2.0));
  CHECK(!Histogram(8, 64, {{0, 1}}).is_possible(1, 1.0, 2.0));
  const int64_t huge = std::numeric_limits<int64_t>::max();
  CHECK(!Histogram(8, 0, {{one, huge}, {two, huge}}).is_possible(-2, 1.0, 2.0));
}
