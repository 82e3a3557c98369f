// The scalar path, weighted and unweighted, against the oracle.
#include "sum/scalar_sum.h"

#include "sum/small_sum.h"
#include "tests/arrays.h"
#include "tests/check.h"
#include "tests/oracle.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

// sum += a * b * c, for up to 64 bits each.
void add_product(Oracle& sum, int128 a, int128 b, int128 c, int exponent) {
  auto pieces = [](int128 x, int128(&out)[3]) {  // of 27 bits
    out[0] = x & 0x7ffffff;
    out[1] = x >> 27 & 0x7ffffff;
    out[2] = x >> 54;
  };
  int128 as[3], bs[3];
  pieces(a, as);
  pieces(b, bs);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) sum.add(as[i] * bs[j] * c, exponent + 27 * (i + j));
  }
}

struct Integral {
  int128 mantissa;
  int exponent;
};
Integral integral(double x) {
  int exponent = 0;
  double fraction = std::frexp(x, &exponent);
  return {int128(std::ldexp(fraction, 53)), exponent - 53};
}
template <class Integer>
Integral integral(Integer x) {
  return {int128(x), 0};
}

template <class T>
void check(Random& random, Kind kind, bool weighted) {
  Values<T> values(random, kind);
  Column column;
  Oracle sum, squares;
  for (int64_t i = 0; i < 60; ++i) {
    auto x = to_number(values.draw(i, 0));
    if (x != x) continue;
    double weight = 1;
    if (weighted) {
      weight = random.one_in(2) ? double(random.between(1, 9))
                                : std::abs(std::bit_cast<double>(random.bits()));
      if (random.one_in(9)) weight = std::bit_cast<double>(random.of_length(52));
      if (!(weight > 0 && std::isfinite(weight))) continue;
      add_weighted_sums(column, scaled(weight), x);
    } else {
      add_scalar(column, x);
    }
    Integral value = integral(x), w = integral(weight);
    add_product(sum, value.mantissa, 1, w.mantissa, value.exponent + w.exponent);
    add_product(squares, value.mantissa, value.mantissa, w.mantissa,
                2 * value.exponent + w.exponent);
  }
  CHECK(same(column.sum, sum), "kind " + std::to_string(int(kind)));
  CHECK(same(column.squares, squares), "kind " + std::to_string(int(kind)));
}

void check_all(bool weighted) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    with_type(dtype, [&](auto* type) {
      for (int kind = 0; kind < kFiniteKinds; ++kind) {
        for (int64_t run = 0; run < portion(6); ++run) {
          check<std::remove_pointer_t<decltype(type)>>(random, Kind(kind), weighted);
        }
      }
    });
  }
}

}  // namespace

TEST(sums_and_squares_of_every_type_are_exact) { check_all(false); }
TEST(weighted_sums_and_squares_of_every_type_are_exact) { check_all(true); }

TEST(extremes_of_integers_that_doubles_cannot_hold) {
  for (uint64_t x :
       {~uint64_t(0), ~uint64_t(0) - 1, (uint64_t(1) << 63) + 1, (uint64_t(1) << 53) + 1}) {
    CHECK(extreme_value_of_integer(x - 1) < extreme_value_of_integer(x));
    CHECK(extreme_value_of_integer(x).nearest == double(x));
  }
  for (int64_t x : {std::numeric_limits<int64_t>::min() + 1, std::numeric_limits<int64_t>::max(),
                    -(int64_t(1) << 53) - 1}) {
    CHECK(extreme_value_of_integer(x - 1) < extreme_value_of_integer(x));
    CHECK(int128(extreme_value_of_integer(x).nearest) + extreme_value_of_integer(x).rest ==
          int128(x));
  }
}

// Small batches give the same column as one value at a time, or are rejected.
template <class T>
void check_small(Random& random, Kind kind, int& taken) {
  using Number = std::conditional_t<kIsFloating<T>, double, decltype(to_number(T{}))>;
  Values<T> values(random, kind);
  Number some[kMaxSmall];
  int count = int(random.between(1, kMaxSmall));
  for (int i = 0; i < count; ++i) some[i] = Number(to_number(values.draw(i, 0)));
  Column before, one_by_one, few;
  for (Column* column : {&before, &one_by_one, &few}) add_scalar(*column, some[0]);
  bool finite = std::all_of(some, some + count, [](Number x) { return x - x == Number(0); });
  bool fits = add_small(few, some, count);
  taken += fits;
  CHECK(finite || !fits, "kind " + std::to_string(int(kind)));
  for (int i = 0; fits && i < count; ++i) add_scalar(one_by_one, some[i]);
  const Column& expected = fits ? one_by_one : before;
  CHECK(few.equal_sums(expected), "kind " + std::to_string(int(kind)));
  CHECK(few.min == expected.min && few.max == expected.max, "kind " + std::to_string(int(kind)));
}

TEST(small_sums_equal_the_scalar_path) {
  Random random(seed());
  int taken = 0, tried = 0;
  for (DType dtype : kAllTypes) {
    with_type(dtype, [&](auto* type) {
      for (int kind = 0; kind < kFiniteKinds; ++kind) {
        for (int64_t run = 0; run < portion(200); ++run, ++tried) {
          check_small<std::remove_pointer_t<decltype(type)>>(random, Kind(kind), taken);
        }
      }
    });
  }
  CHECK(taken > tried / 3, "");
}

TEST(small_sums_at_the_limits) {
  auto check = [](const auto& values, bool expected) {
    Column few, one_by_one;
    CHECK(add_small(few, values.data(), int(values.size())) == expected, "");
    if (!expected) {
      CHECK(few.equal_sums(Column()) && !few.has_values(), "");
      return;
    }
    for (auto x : values) add_scalar(one_by_one, x);
    CHECK(few.equal_sums(one_by_one), "");
    CHECK(few.min == one_by_one.min && few.max == one_by_one.max, "");
  };
  const double large = std::bit_cast<double>(uint64_t(0x43efffffffffffff));  // 53 bits, below 2^64
  std::vector<double> apart(64, large);
  apart[63] = std::ldexp(large, -63);
  check(apart, true);
  apart[63] = std::ldexp(large, -64);
  check(apart, false);
  check(std::vector<double>(64, -std::numeric_limits<double>::max()), true);
  check(std::vector<double>(64, std::numeric_limits<double>::denorm_min()), true);
  check(std::vector<double>{0.0, -0.0}, true);
  check(std::vector<double>{1, std::numeric_limits<double>::infinity()}, false);
  check(std::vector<double>{std::nan(""), 1}, false);
  check(std::vector<int64_t>(64, int64_t(1) << 60), true);
  check(std::vector<int64_t>(64, -(int64_t(1) << 60)), true);
  check(std::vector<int64_t>{0, (int64_t(1) << 60) + 1}, false);
  check(std::vector<int64_t>{0, std::numeric_limits<int64_t>::min()}, false);
  check(std::vector<uint64_t>{0, std::numeric_limits<uint64_t>::max()}, false);
}
