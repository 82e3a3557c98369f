// The plain path's sums, weighted and not, against the oracle.
#include "plain.h"

#include "arrays.h"
#include "check.h"
#include "oracle.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

// += a * b * c, for up to 64 bits each.
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
    auto x = number(values.draw(i, 0));
    if (x != x) continue;
    double weight = 1;
    if (weighted) {
      weight = random.one_in(2) ? double(random.between(1, 9))
                                : std::abs(std::bit_cast<double>(random.bits()));
      if (random.one_in(9)) weight = std::bit_cast<double>(random.of_length(52));
      if (!(weight > 0 && std::isfinite(weight))) continue;
      add_weighted_sums(column, scaled(weight), x);
    } else {
      add_plain(column, x);
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

TEST(integers_beyond_the_doubles_keep_their_place_among_the_extremes) {
  for (uint64_t x :
       {~uint64_t(0), ~uint64_t(0) - 1, (uint64_t(1) << 63) + 1, (uint64_t(1) << 53) + 1}) {
    CHECK(value_of_integer(x - 1) < value_of_integer(x));
    CHECK(value_of_integer(x).nearest == double(x));
  }
  for (int64_t x : {std::numeric_limits<int64_t>::min() + 1, std::numeric_limits<int64_t>::max(),
                    -(int64_t(1) << 53) - 1}) {
    CHECK(value_of_integer(x - 1) < value_of_integer(x));
    CHECK(int128(value_of_integer(x).nearest) + value_of_integer(x).rest == int128(x));
  }
}
