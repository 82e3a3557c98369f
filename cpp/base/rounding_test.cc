// Rounding to float16 and bfloat16, exhaustively.
#include "base/rounding.h"

#include <cmath>
#include <limits>

#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

template <class T>
struct Format;
template <>
struct Format<Float16> {
  static constexpr int kFraction = 10, kBias = 15;
};
template <>
struct Format<BFloat16> {
  static constexpr int kFraction = 7, kBias = 127;
};

// The value of a bit pattern, computed from the definition of the format.
template <class T>
double value_of_bits(uint32_t bits) {
  constexpr int kFraction = Format<T>::kFraction, kBias = Format<T>::kBias;
  int field = int(bits >> kFraction), fraction = int(bits & ((1u << kFraction) - 1));
  if (field == 2 * kBias + 1)
    return fraction ? std::nan("") : std::numeric_limits<double>::infinity();
  if (field == 0) return std::ldexp(fraction, 1 - kBias - kFraction);
  return std::ldexp(fraction + (1 << kFraction), field - kBias - kFraction);
}

template <class T>
uint16_t infinity_bits() {
  return uint16_t((2 * Format<T>::kBias + 1) << Format<T>::kFraction);
}

template <class T>
uint16_t rounded(double value) {
  T out;
  round_to(value, out);
  return out.bits;
}

template <class T>
void check_round_trips() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    T element{uint16_t(bits)};
    double value = to_float(element), expected = value_of_bits<T>(bits & 0x7fff);
    if (expected != expected) {
      CHECK(value != value, std::to_string(bits));
      CHECK((rounded<T>(value) & 0x7fff) > infinity_bits<T>(), std::to_string(bits));
      continue;
    }
    CHECK(std::abs(value) == expected, std::to_string(bits));
    CHECK(std::signbit(value) == (bits >> 15 == 1), std::to_string(bits));
    CHECK(rounded<T>(value) == bits, std::to_string(bits));
  }
}

// Between each value and the next: the midpoint rounds to even and everything else to the nearest,
// also if only the last bit of the float64 decides, which rounding through float32 would lose.
template <class T>
void check_between() {
  for (uint32_t low = 0; low < infinity_bits<T>(); ++low) {
    double below = value_of_bits<T>(low);
    double step = value_of_bits<T>(low + 1) - below;
    if (low + 1u == infinity_bits<T>()) step = below - value_of_bits<T>(low - 1);
    double middle = below + step / 2;
    uint16_t even = uint16_t(low + (low & 1));
    for (uint16_t sign : {uint16_t(0), uint16_t(0x8000)}) {
      double s = sign ? -1 : 1;
      CHECK(rounded<T>(s * middle) == (sign | even), std::to_string(low));
      CHECK(rounded<T>(s * std::nextafter(middle, 0)) == (sign | low), std::to_string(low));
      CHECK(rounded<T>(s * std::nextafter(middle, 1e300)) == (sign | (low + 1)),
            std::to_string(low));
      CHECK(rounded<T>(s * (below + step * 0.25)) == (sign | low), std::to_string(low));
      CHECK(rounded<T>(s * (below + step * 0.75)) == (sign | (low + 1)), std::to_string(low));
    }
  }
}

template <class T>
void check_extremes() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double smallest = value_of_bits<T>(1);
  for (double value : {0.0, std::numeric_limits<double>::denorm_min(),
                       std::numeric_limits<double>::min(), smallest / 2, smallest / 1e10}) {
    CHECK(rounded<T>(value) == 0);
    CHECK(rounded<T>(-value) == 0x8000);
  }
  CHECK(rounded<T>(std::nextafter(smallest / 2, 1)) == 1);
  for (double value : {kInfinity, std::numeric_limits<double>::max(), 1e39}) {
    CHECK(rounded<T>(value) == infinity_bits<T>());
    CHECK(rounded<T>(-value) == (infinity_bits<T>() | 0x8000));
  }
}

}  // namespace

TEST(every_float16_round_trips) { check_round_trips<Float16>(); }
TEST(every_bfloat16_round_trips) { check_round_trips<BFloat16>(); }
TEST(float16_rounds_to_nearest_even) { check_between<Float16>(); }
TEST(bfloat16_rounds_to_nearest_even) { check_between<BFloat16>(); }
TEST(float16_overflow_and_underflow) { check_extremes<Float16>(); }
TEST(bfloat16_overflow_and_underflow) { check_extremes<BFloat16>(); }

TEST(random_values_round_to_the_nearest_float16) {
  Random random(seed());
  for (int64_t run = 0; run < portion(300000); ++run) {
    double value =
        std::ldexp(1 + double(random.bits() >> 12) * 0x1p-52, int(random.between(-26, 15)));
    uint16_t bits = rounded<Float16>(value);
    double error = std::abs(value_of_bits<Float16>(bits) - value);
    if (bits == infinity_bits<Float16>()) {
      CHECK(value >= 65520, std::to_string(value));
      continue;
    }
    CHECK(bits == 0 || error <= value - value_of_bits<Float16>(bits - 1u), std::to_string(value));
    CHECK(error <= value_of_bits<Float16>(bits + 1u) - value, std::to_string(value));
  }
}
