#include "exact/finalize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/fp_environment.h"
#include "exact/root_of_ratio.h"
#include "exact/short_finalize.h"

namespace evenly {
namespace {

using uint128 = unsigned __int128;

constexpr int kMaxLimbs = 48;  // sums of ordinary columns have two to six limbs

// A natural number times a power of two. `fits` is false once it has exceeded kMaxLimbs.
struct BigNatural {
  uint64_t limbs[kMaxLimbs];  // least significant first; those from `size` on are unspecified
  int size = 0;
  int exponent = 0;
  bool fits = true;

  BigNatural() = default;
  explicit BigNatural(const Dyadic& value) : exponent(value.exponent) {
    resize(int(value.limbs.size()));
    for (int i = 0; i < size; ++i) limbs[i] = value.limbs[std::size_t(i)];
  }
  void resize(int wanted) {
    fits = fits && wanted <= kMaxLimbs;
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
  // The 64 bits from `index` upward, padded with zeros.
  uint64_t word_at(int index) const {
    int limb = index / 64, shift = index % 64;
    uint64_t low = limb < size ? limbs[limb] >> shift : 0;
    if (shift && limb + 1 < size) low |= limbs[limb + 1] << (64 - shift);
    return low;
  }
};

BigNatural shifted(const BigNatural& x, int bits) {
  BigNatural y;
  y.fits = x.fits && bits <= 64 * kMaxLimbs;
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

BigNatural product(const BigNatural& x, const BigNatural& y) {
  BigNatural z;
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

// x - y, for x >= y with the same exponent.
BigNatural difference(const BigNatural& x, const BigNatural& y) {
  BigNatural z = x;
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

BigNatural big_natural(uint64_t value) {
  BigNatural x;
  x.limbs[0] = value;
  x.size = value != 0;
  return x;
}

// count * squares - sum^2, which is 0 if and only if all values are equal.
BigNatural squared_deviations(const BigNatural& count, const BigNatural& sum,
                              const BigNatural& squares) {
  BigNatural left = product(count, squares), right = product(sum, sum);
  int low = right.is_zero() ? left.exponent : std::min(left.exponent, right.exponent);
  left = shifted(left, left.exponent - low);
  right = shifted(right, right.is_zero() ? 0 : right.exponent - low);
  return difference(left, right);
}

// x / n with 256 additional bits, and one bit below them that is set if there is a remainder. For n
// below 2^64 these bits also suffice for the second double: x / n minus a double of 53 bits is
// either 0 or at least 2^-bits(n) of the last bit of either, which leaves 78 bits above ours.
BigNatural quotient(const BigNatural& x, uint64_t n) {
  BigNatural wide = shifted(x, 256), result;
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

// The nearest double, ties to even, for results that are neither subnormal nor overflow. `rest`
// becomes the absolute difference, and `above` whether the double is larger than x.
double nearest(const BigNatural& x, BigNatural& rest, bool& above) {
  int cut = std::max(x.bits() - 53, 0);
  uint64_t mantissa = x.word_at(cut) & ((uint64_t(1) << 53) - 1);
  bool half = cut > 0 && x.bit(cut - 1);
  above = half && (x.any_below(cut - 1) || (mantissa & 1));
  mantissa += above;
  BigNatural rounded = shifted(big_natural(mantissa), cut);
  rounded.exponent = x.exponent;
  rest = above ? difference(rounded, x) : difference(x, rounded);
  rest.exponent = x.exponent;
  return std::ldexp(double(mantissa), x.exponent + cut);
}

Double2 leading(const BigNatural& x) {
  BigNatural wide = x.bits() < 128 ? shifted(x, 128 - x.bits()) : x;
  int cut = wide.bits() - 128;
  return double2(wide.word_at(cut + 64), wide.word_at(cut), wide.exponent + cut + 127);
}

// Computes the mean; returns false if its rounding is uncertain.
bool compute_mean(Statistics& statistics, const BigNatural& sum, uint64_t count, bool negative) {
  if (sum.is_zero()) return true;
  BigNatural mean = quotient(sum, count), rest, none;
  if (!mean.fits) return false;
  int top = mean.exponent + mean.bits();
  if (top > 960 || top < -900) return false;
  bool above = false, unused = false;
  statistics.high = nearest(mean, rest, above);
  if (!rest.is_zero()) statistics.low = nearest(rest, none, unused);
  if (rest.exponent + rest.bits() < -1000 && !rest.is_zero()) return false;
  if (negative) statistics.high = -statistics.high;
  if (negative != above) statistics.low = -statistics.low;
  return true;
}

bool compute_factor(Statistics& statistics, const BigNatural& deviations, uint64_t count,
                    uint64_t left, bool inverse) {
  if (!deviations.fits) return false;
  if (deviations.is_zero()) return true;
  BigNatural divisor = product(big_natural(count), big_natural(left));
  bool sure = inverse ? root_of_ratio(leading(deviations), leading(divisor), statistics.factor)
                      : root_of_ratio(leading(divisor), leading(deviations), statistics.factor);
  return sure && is_ordinary(statistics.factor) && is_ordinary(1 / statistics.factor);
}

}  // namespace

Statistics finalize_any(const Column& column, int64_t correction, bool inverse) {
  Statistics statistics;
  if (column.fraction) return statistics;
  if (column.count == 0) {
    statistics.status = Status::kUndefined;
    return statistics;
  }
  auto count = uint64_t(column.count);
  Dyadic total = column.sum.dyadic();
  BigNatural sum(total), squares(column.squares.dyadic());
  if (!sum.fits || !squares.fits || !compute_mean(statistics, sum, count, total.negative)) {
    return statistics;
  }
  bool defined = column.count > correction;
  BigNatural deviations = squared_deviations(big_natural(count), sum, squares);
  if (defined && !compute_factor(statistics, deviations, count, uint64_t(column.count - correction),
                                 inverse)) {
    return statistics;
  }
  statistics.status = defined ? Status::kCertain : Status::kUndefined;
  return statistics;
}

Statistics finalize(const Column& column, int64_t correction, bool inverse) {
  Statistics statistics;
  ShortFinalizer short_finalizer(correction, inverse);
  if (short_finalizer(column, statistics)) return statistics;
  return finalize_any(column, correction, inverse);
}

Status finalize(const std::vector<Column>& columns, int64_t correction, bool inverse, double* high,
                double* low, double* factor) {
  ScopedFpEnvironment fp_environment;
  Status worst = Status::kCertain;
  ShortFinalizer short_finalizer(correction, inverse);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    Statistics statistics;
    if (!short_finalizer(columns[i], statistics)) {
      statistics = finalize_any(columns[i], correction, inverse);
    }
    high[i] = statistics.high;
    low[i] = statistics.low;
    factor[i] = statistics.factor;
    worst = std::max(worst, statistics.status);
    if (worst == Status::kUnsure) break;
  }
  return worst;
}

}  // namespace evenly
