#include "exact/consistency.h"

#include <bit>
#include <cmath>

#include "base/fp_environment.h"

namespace evenly {
namespace {

// All bits of a number in a statistics file lie between 2^-3400 and 2^3400.
constexpr int kReach = 3400;

// A comparison in doubles is trusted only if the difference exceeds this fraction of its terms, and
// only for terms so large that nothing relevant can have been lost to underflow.
constexpr double kMargin = 0x1p-48, kSmallest = 0x1p-960;

int bits_of(const Dyadic& value) {
  if (value.limbs.empty()) return 0;
  return 64 * int(value.limbs.size()) - std::countl_zero(value.limbs.back());
}

bool within_reach(const Dyadic& value) {
  return value.exponent >= -kReach && value.exponent + bits_of(value) <= kReach;
}

// The value to about 53 bits; infinity or 0 outside the range of a double.
double approximate(const Dyadic& value) {
  double magnitude = 0;
  const int size = int(value.limbs.size());
  for (int i = size - 1; i >= 0 && i >= size - 2; --i) {
    magnitude += std::ldexp(double(value.limbs[std::size_t(i)]), value.exponent + 64 * i);
  }
  return value.negative ? -magnitude : magnitude;
}

ExactSum to_exact_sum(const Dyadic& value) {
  ExactSum exact;
  exact.assign(value);
  return exact;
}

Dyadic to_dyadic(const ExtremeValue& value) {
  ExactSum exact;
  exact.add(value.nearest);
  exact.add(value.rest, 0);
  return exact.dyadic();
}

// Schoolbook multiplication: the numbers have two to six limbs.
ExactSum product(const Dyadic& x, const Dyadic& y) {
  Dyadic z;
  z.negative = x.negative != y.negative;
  z.exponent = x.exponent + y.exponent;
  z.limbs.resize(x.limbs.size() + y.limbs.size());
  for (std::size_t i = 0; i < x.limbs.size(); ++i) {
    uint64_t carry = 0;
    for (std::size_t j = 0; j < y.limbs.size(); ++j) {
      unsigned __int128 total = (unsigned __int128)x.limbs[i] * y.limbs[j] + z.limbs[i + j] + carry;
      z.limbs[i + j] = uint64_t(total);
      carry = uint64_t(total >> 64);
    }
    z.limbs[i + y.limbs.size()] = carry;
  }
  return to_exact_sum(z);
}

// The sum of (x - mean)^2 times the count: count * squares - sum^2.
bool deviations_are_possible(const Dyadic& count, const Dyadic& sum, const Dyadic& squares) {
  const double left = approximate(count) * approximate(squares);
  const double right = approximate(sum) * approximate(sum);
  // Each factor and each product has a relative error below 2^-51, and so has the difference,
  // relative to the larger term.
  if (left > kSmallest && left - right > kMargin * left && std::isfinite(left)) return true;
  ExactSum deviations = product(count, squares);
  deviations.subtract(product(sum, sum));
  return !deviations.is_negative();
}

// The sum of (max - x) * (x - min) (Bhatia and Davis, American Mathematical Monthly 107, 2000):
// (min + max) * sum - count * min * max - squares.
bool extremes_are_possible(const Dyadic& count, const Dyadic& sum, const Dyadic& squares,
                           const ExtremeValue& min, const ExtremeValue& max) {
  const double low = min.nearest, high = max.nearest, s = approximate(sum);
  const double terms[] = {low * s, high * s, -approximate(count) * low * high,
                          -approximate(squares)};
  double total = 0, size = 0;
  for (double term : terms) {
    total += term;
    size += std::abs(term);
  }
  const bool whole = min.rest == 0 && max.rest == 0;
  if (whole && size > kSmallest && total > kMargin * size && std::isfinite(size)) return true;
  const Dyadic lower = to_dyadic(min), upper = to_dyadic(max);
  ExactSum inside = product(lower, sum);
  inside.add(product(upper, sum));
  inside.subtract(product(count, product(lower, upper).dyadic()));
  inside.subtract(to_exact_sum(squares));
  return !inside.is_negative();
}

}  // namespace

bool is_possible(const Column& column) {
  ScopedFpEnvironment fp_environment;
  const Dyadic count = column.total_count().dyadic(), missing = column.total_missing().dyadic();
  const Dyadic sum = column.sum.dyadic(), squares = column.squares.dyadic();
  if (count.negative || missing.negative) return false;
  for (const Dyadic* value : {&count, &missing, &sum, &squares}) {
    if (!within_reach(*value)) return false;
  }
  if (column.histogram &&
      (column.fraction ||
       !column.histogram->is_possible(column.count, column.min.nearest, column.max.nearest))) {
    return false;
  }
  if (count.limbs.empty()) {
    return !column.has_values() && sum.limbs.empty() && squares.limbs.empty();
  }
  return column.has_values() && std::isfinite(column.min.nearest) &&
         std::isfinite(column.max.nearest) && deviations_are_possible(count, sum, squares) &&
         extremes_are_possible(count, sum, squares, column.min, column.max);
}

}  // namespace evenly
