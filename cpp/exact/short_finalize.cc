#include "exact/short_finalize.h"

#include <algorithm>
#include <bit>

namespace evenly {
namespace {

using uint128 = unsigned __int128;

constexpr int kLimbs = 4;        // of the sum
constexpr int kFraction = 2;     // limbs of the mean below the lowest one of the sum
constexpr int kWide = 12;        // of count * squares and sum^2
constexpr int kWordsFrom1 = 12;  // the words of the sums are at most so far from 2^0

// The words of a natural number without zeros at either end.
struct Natural {
  uint64_t limbs[kLimbs + 2];  // least significant first
  int size = 0;
  int low = 0;  // the exponent of limb 0, in words

  // Returns false if the number is too long or too far from 1.
  bool read(const ExactSum& sum, int limit) {
    ExactSum::Words words = sum.words();
    uint64_t sign = sum.is_negative() ? ~uint64_t(0) : 0;
    int first = 0, last = words.size;
    while (first < last && words.limbs[first] == 0) ++first;
    // The lowest limb of -x that is not 0 is ~x + 1, and those above it are ~x.
    while (last > first + (sign != 0) && words.limbs[last - 1] == sign) --last;
    size = last - first;
    low = words.low + first;
    if (size > limit || low < -kWordsFrom1 || low + size > kWordsFrom1) return false;
    for (int i = 0; i < size; ++i) limbs[i] = words.limbs[first + i] ^ sign;
    if (sign && size) limbs[0] += 1;
    return true;
  }
};

// The quotient of high:low / divisor for high < divisor, and the remainder in `high`, by one
// multiplication with the inverse and two corrections (Moeller and Granlund, "Improved division by
// invariant integers", IEEE Trans. Comput. 60 (2011), algorithm 4).
uint64_t divide(uint64_t& high, uint64_t low, uint64_t divisor, uint64_t reciprocal) {
  uint128 estimate = uint128(reciprocal) * high + (uint128(high) << 64 | low);
  uint64_t quotient = uint64_t(estimate >> 64) + 1;
  uint64_t rest = low - quotient * divisor;
  if (rest > uint64_t(estimate)) {
    --quotient;
    rest += divisor;
  }
  if (rest >= divisor) {
    ++quotient;
    rest -= divisor;
  }
  high = rest;
  return quotient;
}

// A natural number of which a double is split off.
struct Remainder {
  uint64_t limbs[kLimbs + kFraction + 2];  // least significant first; the lowest is 0, or
  bool inexact = false;  // for a number between these limbs and the next multiple of 2^64
  int size = 0;
  int exponent = 0;

  void trim() {
    while (size > 0 && limbs[size - 1] == 0) --size;
  }
  // Rounds to the nearest double, ties to even; the remainder becomes the absolute difference, and
  // `above` whether the double is larger. Returns false if the rounding is uncertain.
  bool split(double& nearest, bool& above);
};

bool Remainder::split(double& nearest, bool& above) {
  int bits = 64 * size - std::countl_zero(limbs[size - 1]), cut = std::max(bits - 53, 0);
  // The boundaries between the numbers that round to different doubles are multiples of
  // 2^(cut - 1). If these are multiples of 2^64, none is between the limbs and the exact number.
  if (inexact && cut < 65) return false;
  int limb = cut / 64, shift = cut % 64;
  uint64_t mantissa = limbs[limb] >> shift;
  if (shift && limb + 1 < size) mantissa |= limbs[limb + 1] << (64 - shift);
  bool half = cut > 0 && limbs[(cut - 1) / 64] >> ((cut - 1) % 64) & 1;
  size = limb + 1;
  limbs[limb] &= (uint64_t(1) << shift) - 1;
  above = half && (mantissa & 1);
  if (half && !above) {
    uint64_t sum = limbs[(cut - 1) / 64] ^ uint64_t(1) << ((cut - 1) % 64);
    for (int i = 0; i < size; ++i) sum |= i == (cut - 1) / 64 ? 0 : limbs[i];
    above = sum != 0;
  }
  nearest = times_power(double(int64_t(mantissa + above)), exponent + cut);
  if (above) {  // 2^cut - limbs
    uint64_t carry = 1;
    for (int i = 0; i < size; ++i) {
      limbs[i] = ~limbs[i] + carry;
      carry = carry && limbs[i] == 0;
    }
    limbs[limb] &= (uint64_t(1) << shift) - 1;
  }
  trim();
  return true;
}

// limbs += x * factor, where the sum fits.
void add_product(uint64_t* limbs, const Natural& x, uint64_t factor) {
  uint64_t carry = 0;
  int i = 0;
  for (; i < x.size; ++i) {
    uint128 total = uint128(x.limbs[i]) * factor + limbs[i] + carry;
    limbs[i] = uint64_t(total);
    carry = uint64_t(total >> 64);
  }
  for (; carry; ++i) {
    limbs[i] += carry;
    carry = limbs[i] < carry;
  }
}

// x -= y for `size` limbs; returns the borrow.
bool subtract(uint64_t* x, const uint64_t* y, int size) {
  uint64_t borrow = 0;
  for (int i = 0; i < size; ++i) {
    uint128 total = uint128(x[i]) - y[i] - borrow;
    x[i] = uint64_t(total);
    borrow = uint64_t(total >> 64) & 1;
  }
  return borrow != 0;
}

// The highest 128 bits of a number whose limb `index` is its highest and not 0.
Double2 double2_of(const uint64_t* limbs, int index, int exponent) {
  int shift = std::countl_zero(limbs[index]);
  uint64_t first = limbs[index], second = index > 0 ? limbs[index - 1] : 0;
  uint64_t third = index > 1 ? limbs[index - 2] : 0;
  if (shift) {
    first = first << shift | second >> (64 - shift);
    second = second << shift | third >> (64 - shift);
  }
  return double2(first, second, exponent + 64 * index + 63 - shift);
}

}  // namespace

void ShortFinalizer::set_count(int64_t count) {
  count_ = count;
  shift_ = std::countl_zero(uint64_t(count));
  divisor_ = uint64_t(count) << shift_;
  reciprocal_ = uint64_t(~uint128(0) / divisor_);  // the quotient minus 2^64
  if (count <= correction_) return;
  uint128 product = uint128(count) * uint64_t(count - correction_);
  uint64_t limbs[2] = {uint64_t(product), uint64_t(product >> 64)};
  variance_divisor_ = double2_of(limbs, limbs[1] != 0, 0);
}

bool ShortFinalizer::compute_mean(const ExactSum& sum, Statistics& statistics) const {
  Natural x;
  if (!x.read(sum, kLimbs)) return false;
  if (x.size == 0) return true;
  Remainder mean;
  mean.size = kFraction + x.size + 1;
  mean.exponent = 64 * (x.low - kFraction - 1);
  uint64_t rest = shift_ ? x.limbs[x.size - 1] >> (64 - shift_) : 0;
  for (int i = x.size - 1; i >= 0; --i) {
    uint64_t below = shift_ && i > 0 ? x.limbs[i - 1] >> (64 - shift_) : 0;
    uint64_t digit = x.limbs[i] << shift_ | below;
    mean.limbs[kFraction + 1 + i] = divide(rest, digit, divisor_, reciprocal_);
  }
  for (int i = kFraction; i > 0; --i) mean.limbs[i] = divide(rest, 0, divisor_, reciprocal_);
  mean.inexact = rest != 0;
  mean.limbs[0] = mean.inexact;
  mean.trim();
  bool above = false, unused = false;
  if (!mean.split(statistics.high, above)) return false;
  if (mean.size && !mean.split(statistics.low, unused)) return false;
  bool negative = sum.is_negative();
  if (negative) statistics.high = -statistics.high;
  if (negative != above) statistics.low = -statistics.low;
  return true;
}

bool ShortFinalizer::compute_factor(const ExactSum& sum, const ExactSum& squares,
                                    Statistics& statistics) const {
  Natural x, y;
  if (!x.read(sum, kLimbs) || squares.is_negative() || !y.read(squares, kLimbs + 2)) return false;
  if (y.size == 0) return x.size == 0;
  int low = x.size ? std::min(y.low, 2 * x.low) : y.low;
  int top = std::max(y.low + y.size + 1, x.size ? 2 * (x.low + x.size) : low);
  const int width = top - low;
  if (width > kWide) return false;
  uint64_t limbs[2 * kWide];
  uint64_t *left = limbs, *right = limbs + width;
  std::fill_n(limbs, 2 * width, 0);
  add_product(left + (y.low - low), y, uint64_t(count_));
  for (int i = 0; i < x.size; ++i) add_product(right + (2 * x.low - low) + i, x, x.limbs[i]);
  if (subtract(left, right, width)) return false;
  int index = width - 1;
  while (index >= 0 && left[index] == 0) --index;
  if (index < 0) return true;  // all values are equal
  Double2 deviations = double2_of(left, index, 64 * low);
  bool sure = inverse_ ? root_of_ratio(deviations, variance_divisor_, statistics.factor)
                       : root_of_ratio(variance_divisor_, deviations, statistics.factor);
  return sure && is_ordinary(statistics.factor) && is_ordinary(1 / statistics.factor);
}

bool ShortFinalizer::operator()(const Column& column, Statistics& statistics) {
  if (column.fraction || column.count <= 0) return false;
  if (column.count != count_) set_count(column.count);
  bool defined = column.count > correction_;
  if (!compute_mean(column.sum, statistics) ||
      (defined && !compute_factor(column.sum, column.squares, statistics))) {
    statistics = {};
    return false;
  }
  statistics.status = defined ? Status::kCertain : Status::kUndefined;
  return true;
}

}  // namespace evenly
