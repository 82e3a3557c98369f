// Exact against the oracle.
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

// A number and its twin, both given the same random additions.
struct Twins {
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
  bool precondition() const { return same(exact, oracle); }
};

Twins random_twins(Random& random) {
  Twins twins;
  int largest_exponent = random.one_of({10, 70, 200, 1100, 32000});
  for (int64_t i = random.below(20); i > 0; --i) twins.add_random(random, largest_exponent);
  return twins;
}

}  // namespace

TEST(every_addition_at_any_exponent_is_exact) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    Twins twins;
    int largest_exponent = random.one_of({0, 10, 63, 64, 65, 130, 400, 1100, 32000});
    for (int i = 0; i < 30; ++i) {
      twins.add_random(random, largest_exponent);
      if (i % 5 == 0) CHECK(twins.precondition(), "run " + std::to_string(run));
    }
    CHECK(twins.precondition(), "run " + std::to_string(run));
  }
}

TEST(carries_run_through_long_chains_of_ones_and_zeros) {
  for (int low : {-3000, -64, -1, 0, 1, 63, 2000}) {
    for (int high : {low + 1, low + 63, low + 64, low + 65, low + 400, low + 2000}) {
      Twins twins;
      auto add = [&](int64_t mantissa, int exponent) {
        twins.exact.add(mantissa, exponent);
        twins.oracle.add(mantissa, exponent);
        CHECK(twins.precondition(), std::to_string(low) + " to " + std::to_string(high));
      };
      add(1, high);
      add(-1, low);  // ones from low to high
      add(1, low);
      add(-1, high);
      CHECK(twins.exact.is_zero());
      add(-1, low);
      add(1, high);
      add(-1, high);
      CHECK(twins.exact.is_negative());
    }
  }
}

TEST(adding_and_subtracting_sums_is_exact_and_undone_by_its_opposite) {
  Random random(seed());
  for (int64_t run = 0; run < portion(5000); ++run) {
    Twins a = random_twins(random), b = random_twins(random);
    ExactSum before = a.exact;
    a.exact.add(b.exact);
    a.oracle.add(b.oracle);
    CHECK(a.precondition());
    a.exact.subtract(b.exact);
    CHECK(a.exact == before);
    a.exact.subtract(b.exact);
    a.oracle.add(b.oracle, -2);
    CHECK(a.precondition());
  }
}

TEST(a_sum_may_be_added_to_and_subtracted_from_itself) {
  Random random(seed());
  for (int64_t run = 0; run < portion(1000); ++run) {
    Twins a = random_twins(random);
    a.exact.add(a.exact);
    a.oracle.add(Oracle(a.oracle));
    CHECK(a.precondition());
    a.exact.subtract(a.exact);
    CHECK(a.exact.is_zero());
    CHECK(!a.exact.is_negative());
    CHECK(a.exact == ExactSum());
  }
}

TEST(equality_does_not_depend_on_the_window) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    Twins a = random_twins(random);
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

TEST(a_dyadic_goes_out_and_comes_back) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    Twins a = random_twins(random);
    Dyadic value = a.exact.dyadic();
    CHECK(value.limbs.empty() || value.limbs[0] & 1);
    CHECK(value.limbs.empty() || value.limbs.back() != 0);
    ExactSum back = random_twins(random).exact;  // whatever it held is replaced
    back.assign(value);
    CHECK(back == a.exact);
    CHECK(back.is_negative() == a.exact.is_negative());
    // As do limbs that are in no normal form.
    if (value.limbs.empty()) continue;
    value.limbs.push_back(0);
    value.limbs.insert(value.limbs.begin(), 0);
    value.exponent -= 64;
    back.assign(value);
    CHECK(back == a.exact);
  }
}

TEST(copies_are_apart_and_moves_leave_a_usable_object) {
  Random random(seed());
  for (int64_t run = 0; run < portion(2000); ++run) {
    Twins a = random_twins(random), b = random_twins(random);
    ExactSum copy = a.exact;
    copy.add(1, -31000);
    CHECK(a.precondition());
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

TEST(merging_again_and_again_takes_no_more_memory) {
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

TEST(a_top_word_at_its_limit_grows_before_it_overflows) {
  Twins twins;
  for (int i = 0; i < 300; ++i) {
    twins.exact.add_wide(int128(~(unsigned __int128)0 >> 1), 63);
    twins.oracle.add(int128(~(unsigned __int128)0 >> 1), 63);
  }
  CHECK(twins.precondition());
  for (int i = 0; i < 900; ++i) {
    twins.exact.add_wide(int128((unsigned __int128)1 << 127), 63);
    twins.oracle.add(int128((unsigned __int128)1 << 127), 63);
  }
  CHECK(twins.precondition());
}
