// ExactSum against the oracle.
#include "exact/exact_sum.h"

#include <limits>

#include "tests/check.h"
#include "tests/oracle.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

int128 wide_of(Random& random) {
  auto value = (unsigned __int128)random.bits() << 64 | random.bits();
  value >>= random.below(128);
  switch (random.below(8)) {
    case 0:
      return int128((unsigned __int128)1 << 127);  // the smallest
    case 1:
      return int128(~(unsigned __int128)0 >> 1);  // the largest
    case 2:
      return -1;
    case 3:
      return int128(value);
    default:
      return random.one_in(2) ? int128(value >> 1) : -int128(value >> 1);
  }
}

int64_t narrow_of(Random& random) {
  switch (random.below(8)) {
    case 0:
      return std::numeric_limits<int64_t>::min();
    case 1:
      return std::numeric_limits<int64_t>::max();
    case 2:
      return -1;
    default:
      return int64_t(random.of_length(64));
  }
}

double finite_of(Random& random) {
  for (;;) {
    double value = std::bit_cast<double>(random.bits());
    if (random.one_in(10)) value = std::bit_cast<double>(random.of_length(52));  // subnormal
    if (std::isfinite(value)) return value;
  }
}

// A number and its reference, both given the same random additions.
struct SumWithOracle {
  ExactSum exact;
  Oracle oracle;

  void add_random(Random& random, int largest_exponent) {
    int exponent = int(random.between(-largest_exponent, largest_exponent));
    switch (random.below(3)) {
      case 0: {
        int64_t mantissa = narrow_of(random);
        exact.add(mantissa, exponent);
        return oracle.add(mantissa, exponent);
      }
      case 1: {
        int128 mantissa = wide_of(random);
        exact.add_wide(mantissa, exponent);
        return oracle.add(mantissa, exponent);
      }
      default: {
        double value = finite_of(random);
        exact.add(value);
        return oracle.add_double(value);
      }
    }
  }
  bool agree() const { return same(exact, oracle); }
};

SumWithOracle random_sum(Random& random) {
  SumWithOracle sum;
  int largest_exponent = random.one_of({10, 70, 200, 1100, 32000});
  for (int64_t i = random.below(20); i > 0; --i) sum.add_random(random, largest_exponent);
  return sum;
}

}  // namespace

TEST(additions_at_any_exponent_are_exact) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    SumWithOracle sum;
    int largest_exponent = random.one_of({0, 10, 63, 64, 65, 130, 400, 1100, 32000});
    for (int i = 0; i < 30; ++i) {
      sum.add_random(random, largest_exponent);
      if (i % 5 == 0) CHECK(sum.agree(), "run " + std::to_string(run));
    }
    CHECK(sum.agree(), "run " + std::to_string(run));
  }
}

TEST(carries_propagate_through_long_runs_of_ones_and_zeros) {
  for (int low : {-3000, -64, -1, 0, 1, 63, 2000}) {
    for (int high : {low + 1, low + 63, low + 64, low + 65, low + 400, low + 2000}) {
      SumWithOracle sum;
      auto add = [&](int64_t mantissa, int exponent) {
        sum.exact.add(mantissa, exponent);
        sum.oracle.add(mantissa, exponent);
        CHECK(sum.agree(), std::to_string(low) + " to " + std::to_string(high));
      };
      add(1, high);
      add(-1, low);  // ones from low to high
      add(1, low);
      add(-1, high);
      CHECK(sum.exact.is_zero());
      add(-1, low);
      add(1, high);
      add(-1, high);
      CHECK(sum.exact.is_negative());
    }
  }
}

TEST(sums_are_added_and_subtracted_exactly) {
  Random random(seed());
  for (int64_t run = 0; run < portion(5000); ++run) {
    SumWithOracle a = random_sum(random), b = random_sum(random);
    ExactSum before = a.exact;
    a.exact.add(b.exact);
    a.oracle.add(b.oracle);
    CHECK(a.agree());
    a.exact.subtract(b.exact);
    CHECK(a.exact == before);
    a.exact.subtract(b.exact);
    a.oracle.add(b.oracle, -2);
    CHECK(a.agree());
  }
}

TEST(sums_can_be_added_to_and_subtracted_from_themselves) {
  Random random(seed());
  for (int64_t run = 0; run < portion(1000); ++run) {
    SumWithOracle a = random_sum(random);
    a.exact.add(a.exact);
    a.oracle.add(Oracle(a.oracle));
    CHECK(a.agree());
    a.exact.subtract(a.exact);
    CHECK(a.exact.is_zero());
    CHECK(!a.exact.is_negative());
    CHECK(a.exact == ExactSum());
  }
}

TEST(equality_ignores_the_stored_window) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    SumWithOracle a = random_sum(random);
    ExactSum other = a.exact;
    int far = int(random.between(-5000, 5000));
    other.add(1, far);  // widens the window at either end
    CHECK(!(other == a.exact));
    CHECK(!(a.exact == other));
    other.add(-1, far);
    CHECK(other == a.exact);
    CHECK(a.exact == other);
    CHECK(same(other.dyadic(), a.exact.dyadic()));
  }
}

TEST(dyadic_round_trip) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    SumWithOracle a = random_sum(random);
    Dyadic value = a.exact.dyadic();
    CHECK(value.limbs.empty() || value.limbs[0] & 1);
    CHECK(value.limbs.empty() || value.limbs.back() != 0);
    ExactSum back = random_sum(random).exact;  // its previous value is replaced
    back.assign(value);
    CHECK(back == a.exact);
    CHECK(back.is_negative() == a.exact.is_negative());
    // So do limbs that are not normalized.
    if (value.limbs.empty()) continue;
    value.limbs.push_back(0);
    value.limbs.insert(value.limbs.begin(), 0);
    value.exponent -= 64;
    back.assign(value);
    CHECK(back == a.exact);
  }
}

TEST(copies_are_independent_and_moved_from_objects_usable) {
  Random random(seed());
  for (int64_t run = 0; run < portion(2000); ++run) {
    SumWithOracle a = random_sum(random), b = random_sum(random);
    ExactSum copy = a.exact;
    copy.add(1, -31000);
    CHECK(a.agree());
    copy = a.exact;
    CHECK(copy == a.exact);
    ExactSum moved = std::move(copy);
    CHECK(moved == a.exact);
    copy = b.exact;  // assigned to after being moved from
    CHECK(copy == b.exact);
    copy = std::move(moved);
    CHECK(copy == a.exact);
    ExactSum& itself = copy;
    copy = itself;
    CHECK(copy == a.exact);
  }
}

TEST(repeated_merges_need_no_more_memory) {
  ExactSum one;
  for (int i = 0; i < 1000; ++i) one.add(1.0 / (i + 3));
  ExactSum total = one;
  for (int i = 0; i < 40; ++i) total.add(ExactSum(total));  // doubled: 2^40 sums of one
  CHECK(total.heap_bytes() == 0);
  ExactSum chain;
  for (int i = 0; i < 100000; ++i) chain.add(one);
  CHECK(chain.heap_bytes() == 0);
  for (int i = 0; i < 100000; ++i) chain.subtract(one);
  CHECK(chain.is_zero());
  CHECK(chain.heap_bytes() == 0);
  ExactSum swings;
  for (int i = 0; i < 100000; ++i) i % 2 ? swings.subtract(one) : swings.add(one);
  CHECK(swings.heap_bytes() == 0);
}

TEST(top_word_grows_before_it_overflows) {
  SumWithOracle sum;
  for (int i = 0; i < 300; ++i) {
    sum.exact.add_wide(int128(~(unsigned __int128)0 >> 1), 63);
    sum.oracle.add(int128(~(unsigned __int128)0 >> 1), 63);
  }
  CHECK(sum.agree());
  for (int i = 0; i < 900; ++i) {
    sum.exact.add_wide(int128((unsigned __int128)1 << 127), 63);
    sum.oracle.add(int128((unsigned __int128)1 << 127), 63);
  }
  CHECK(sum.agree());
}
