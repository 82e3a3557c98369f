#include "exact/finalize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/fp_environment.h"

namespace evenly {
namespace {

using uint128 = unsigned __int128;

constexpr int kRoom = 48;  // limbs; sums of ordinary columns have two to six
constexpr double kHuge = 0x1p960, kTiny = 0x1p-950;  // beyond, columns need a power of two

// A natural number times a power of two. `fits` is false when it has outgrown its room.
struct Natural {
  uint64_t limbs[kRoom];  // least significant first; those from size on hold nothing
  int size = 0;
  int exponent = 0;
  bool fits = true;

  Natural() = default;
  explicit Natural(const Dyadic& value) : exponent(value.exponent) {
    resize(int(value.limbs.size()));
    for (int i = 0; i < size; ++i) limbs[i] = value.limbs[std::size_t(i)];
  }
  void resize(int wanted) {
    fits = fits && wanted <= kRoom;
    size = fits ? wanted : 0;
  }
  void trim() {
    while (size > 0 && limbs[size - 1] == 0) --size;
  }
  bool is_zero() const { return size == 0; }
  int bits() const { return size == 0 ? 0 : 64 * size - std::countl_zero(limbs[size - 1]); }
  bool bit(int index) const { return limbs[index / 64] >> (index % 64) & 1; }
  // Whether any of the lowest `count` bits is set.
  bool any_below(int count) const {
    for (int i = 0; i < count / 64; ++i) {
      if (limbs[i]) return true;
    }
    return count % 64 && limbs[count / 64] << (64 - count % 64);
  }
  // The 64 bits from index up; zeros above the top.
  uint64_t word_at(int index) const {
    int limb = index / 64, shift = index % 64;
    uint64_t low = limb < size ? limbs[limb] >> shift : 0;
    if (shift && limb + 1 < size) low |= limbs[limb + 1] << (64 - shift);
    return low;
  }
};

Natural shifted(const Natural& x, int bits) {
  Natural y;
  y.fits = x.fits && bits <= 64 * kRoom;
  y.exponent = x.exponent - bits;
  if (x.is_zero() || !y.fits) return y;
  int words = bits / 64, shift = bits % 64;
  y.resize(x.size + words + 1);
  std::fill_n(y.limbs, y.fits ? words : 0, 0);
  for (int i = 0; y.fits && i <= x.size; ++i) {
    uint64_t here = i < x.size ? x.limbs[i] << shift : 0;
    uint64_t below = shift && i > 0 ? x.limbs[i - 1] >> (64 - shift) : 0;
    y.limbs[i + words] = here | below;
  }
  y.trim();
  return y;
}

Natural product(const Natural& x, const Natural& y) {
  Natural z;
  z.fits = x.fits && y.fits;
  z.exponent = x.exponent + y.exponent;
  z.resize(x.size + y.size);
  std::fill_n(z.limbs, z.size, 0);
  for (int i = 0; z.fits && i < x.size; ++i) {
    uint64_t carry = 0;
    for (int j = 0; j < y.size; ++j) {
      uint128 total = uint128(x.limbs[i]) * y.limbs[j] + z.limbs[i + j] + carry;
      z.limbs[i + j] = uint64_t(total);
      carry = uint64_t(total >> 64);
    }
    z.limbs[i + y.size] = carry;
  }
  z.trim();
  return z;
}

// x - y of one exponent, for x >= y.
Natural difference(const Natural& x, const Natural& y) {
  Natural z = x;
  z.fits = x.fits && y.fits;
  uint64_t borrow = 0;
  for (int i = 0; z.fits && i < x.size; ++i) {
    uint128 total = uint128(x.limbs[i]) - (i < y.size ? y.limbs[i] : 0) - borrow;
    z.limbs[i] = uint64_t(total);
    borrow = uint64_t(total >> 64) & 1;
  }
  z.trim();
  return z;
}

Natural natural(uint64_t value) {
  Natural x;
  x.limbs[0] = value;
  x.size = value != 0;
  return x;
}

// Count times squares minus the square of the sum: 0 when, and only when, all values are equal.
Natural spread(const Natural& count, const Natural& sum, const Natural& squares) {
  Natural left = product(count, squares), right = product(sum, sum);
  int low = right.is_zero() ? left.exponent : std::min(left.exponent, right.exponent);
  left = shifted(left, left.exponent - low);
  right = shifted(right, right.is_zero() ? 0 : right.exponent - low);
  return difference(left, right);
}

// x / n with 256 more bits, and a bit below them that says whether anything is left. With n
// below 2^64 those bits are enough for the second double too: x / n minus a double of 53 bits
// is 0 or at least 2^-n's length of the last bit of either, which leaves 78 bits above ours.
Natural quotient(const Natural& x, uint64_t n) {
  Natural wide = shifted(x, 256), result;
  result.fits = wide.fits;
  result.resize(wide.size + 1);
  result.exponent = wide.exponent - 64;
  uint64_t rest = 0;
  for (int i = wide.size; result.fits && i-- > 0;) {
    uint128 part = uint128(rest) << 64 | wide.limbs[i];
    result.limbs[i + 1] = uint64_t(part / n);
    rest = uint64_t(part % n);
  }
  if (result.fits) result.limbs[0] = rest != 0;
  result.trim();
  return result;
}

// The nearest double, ties to even, for results clear of subnormals and overflow; `rest`
// becomes what is left of x, and `above` whether the double is larger than x.
double nearest(const Natural& x, Natural& rest, bool& above) {
  int cut = std::max(x.bits() - 53, 0);
  uint64_t mantissa = x.word_at(cut) & ((uint64_t(1) << 53) - 1);
  bool half = cut > 0 && x.bit(cut - 1);
  above = half && (x.any_below(cut - 1) || (mantissa & 1));
  mantissa += above;
  Natural rounded = shifted(natural(mantissa), cut);
  rounded.exponent = x.exponent;
  rest = above ? difference(rounded, x) : difference(x, rounded);
  rest.exponent = x.exponent;
  return std::ldexp(double(mantissa), x.exponent + cut);
}

// A number in [1, 2) as a sum of two doubles, to 2^-105 of it, times a power of two.
struct Double2 {
  double high, low;
  int exponent;
};

Double2 double2(const Natural& x) {
  Natural wide = x.bits() < 128 ? shifted(x, 128 - x.bits()) : x;
  int cut = wide.bits() - 128;
  uint64_t top = wide.word_at(cut + 64), bottom = wide.word_at(cut);
  uint64_t first = top >> 11;  // 53 bits
  uint128 rest = uint128(top & 0x7ff) << 64 | bottom;
  return {std::ldexp(double(first), -52), std::ldexp(double(rest), -127),
          wide.exponent + cut + 127};
}

// sqrt(x / y), rounded to nearest if that is beyond doubt. Division and root are one step of
// Newton's method each from the double results, whose residuals fma gives exactly (Markstein
// 1990); together they err by less than 2^-101 of the result. When both ends of an interval
// eight times as wide round to one double, so does the truth (Ziv 1991).
bool root_of_ratio(const Natural& x, const Natural& y, double& result) {
  Double2 a = double2(x), b = double2(y);
  int exponent = a.exponent - b.exponent;
  if (exponent & 1) {
    a.high *= 2, a.low *= 2;
    exponent -= 1;
  }
  double q = a.high / b.high;
  double q_rest = (std::fma(-q, b.high, a.high) + (a.low - q * b.low)) / b.high;
  double high = q + q_rest;
  double low = q_rest - (high - q);
  double root = std::sqrt(high);
  double rest = (std::fma(-root, root, high) + low) / (2 * root);
  double doubt = root * 0x1p-98;
  double least = root + (rest - doubt), most = root + (rest + doubt);
  result = std::ldexp(least, exponent / 2);
  return least == most;
}

bool ordinary(double value) { return value == 0 || (value > kTiny && value < kHuge); }

// Fills in the mean; false when unsure.
bool read_mean(Reading& reading, const Natural& sum, uint64_t count, bool negative) {
  if (sum.is_zero()) return true;
  Natural mean = quotient(sum, count), rest, none;
  if (!mean.fits) return false;
  int top = mean.exponent + mean.bits();
  if (top > 960 || top < -900) return false;
  bool above = false, unused = false;
  reading.high = nearest(mean, rest, above);
  if (!rest.is_zero()) reading.low = nearest(rest, none, unused);
  if (rest.exponent + rest.bits() < -1000 && !rest.is_zero()) return false;
  if (negative) reading.high = -reading.high;
  if (negative != above) reading.low = -reading.low;
  return true;
}

bool read_factor(Reading& reading, const Natural& deviations, uint64_t count, uint64_t left,
                 bool inverse) {
  if (!deviations.fits) return false;
  if (deviations.is_zero()) return true;
  Natural divisor = product(natural(count), natural(left));
  bool sure = inverse ? root_of_ratio(deviations, divisor, reading.factor)
                      : root_of_ratio(divisor, deviations, reading.factor);
  return sure && ordinary(reading.factor) && ordinary(1 / reading.factor);
}

}  // namespace

Reading read(const Column& column, int64_t correction, bool inverse) {
  Reading reading;
  if (column.fraction) return reading;
  if (column.count == 0) {
    reading.certainty = Certainty::kUndefined;
    return reading;
  }
  auto count = uint64_t(column.count);
  Dyadic total = column.sum.dyadic();
  Natural sum(total), squares(column.squares.dyadic());
  if (!sum.fits || !squares.fits || !read_mean(reading, sum, count, total.negative)) {
    return reading;
  }
  bool defined = column.count > correction;
  Natural deviations = spread(natural(count), sum, squares);
  if (defined &&
      !read_factor(reading, deviations, count, uint64_t(column.count - correction), inverse)) {
    return reading;
  }
  reading.certainty = defined ? Certainty::kCertain : Certainty::kUndefined;
  return reading;
}

Certainty read(const std::vector<Column>& columns, int64_t correction, bool inverse, double* high,
               double* low, double* factor) {
  ExactMode mode;
  Certainty worst = Certainty::kCertain;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    Reading reading = read(columns[i], correction, inverse);
    high[i] = reading.high;
    low[i] = reading.low;
    factor[i] = reading.factor;
    worst = std::max(worst, reading.certainty);
    if (worst == Certainty::kUnsure) break;
  }
  return worst;
}

}  // namespace evenly
