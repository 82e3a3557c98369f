// A sum that never rounds, in the simplest possible implementation: the reference for ExactSum.
#pragma once

#include <bit>
#include <cmath>
#include <map>

#include "exact/exact_sum.h"

namespace evenly::testing {

// Signed digits of any magnitude at exponents that are multiples of 32; carries are propagated only
// when the value is read.
class Oracle {
 public:
  void add(int128 mantissa, int exponent, int sign = 1) {
    unsigned __int128 rest =
        mantissa < 0 ? -(unsigned __int128)mantissa : (unsigned __int128)mantissa;
    if (mantissa < 0) sign = -sign;
    int position = int(std::floor(exponent / 32.0));
    int shift = exponent - 32 * position;
    while (rest != 0) {
      uint64_t digit = uint64_t(uint32_t(rest)) << shift;
      digits_[position] += sign * int64_t(uint32_t(digit));
      digits_[position + 1] += sign * int64_t(digit >> 32);
      rest >>= 32;
      ++position;
    }
  }
  void add_double(double value, int sign = 1) {
    int exponent = 0;
    double fraction = std::frexp(value, &exponent);
    add(int128(int64_t(std::ldexp(fraction, 53))), exponent - 53, sign);
  }
  void add(const Oracle& other, int sign = 1) {
    for (auto [position, digit] : other.digits_) digits_[position] += sign * digit;
  }

  Dyadic dyadic() const {
    Oracle carried = *this;
    Dyadic value;
    value.negative = carried.carry() < 0;
    if (value.negative) {
      carried = Oracle();
      carried.add(*this, -1);
      carried.carry();
    }
    auto& digits = carried.digits_;
    while (!digits.empty() && digits.begin()->second == 0) digits.erase(digits.begin());
    while (!digits.empty() && digits.rbegin()->second == 0) digits.erase(std::prev(digits.end()));
    if (digits.empty()) return {};
    int zeros = std::countr_zero(uint64_t(digits.begin()->second));
    value.exponent = 32 * digits.begin()->first + zeros;
    for (auto [position, digit] : digits) {
      for (int bit = 0; bit < 32; ++bit) {
        if (!(digit >> bit & 1)) continue;
        std::size_t at = std::size_t(32 * position + bit - value.exponent);
        if (value.limbs.size() <= at / 64) value.limbs.resize(at / 64 + 1);
        value.limbs[at / 64] |= uint64_t(1) << at % 64;
      }
    }
    return value;
  }

 private:
  // Brings every digit into [0, 2^32); returns the carry beyond the last one, which has the sign of
  // the value.
  int64_t carry() {
    int64_t over = 0;
    if (digits_.empty()) return 0;
    for (int position = digits_.begin()->first;; ++position) {
      auto found = digits_.find(position);
      if (found == digits_.end()) {
        if (over == 0 || over == -1) {
          auto next = digits_.upper_bound(position);
          if (next == digits_.end()) break;
          if (over == 0) {
            position = next->first - 1;
            continue;
          }
        }
        found = digits_.emplace(position, 0).first;
      }
      int64_t total = found->second + over;
      found->second = int64_t(uint32_t(total));
      over = total >> 32;
    }
    return over;
  }

  std::map<int, int64_t> digits_;
};

inline bool same(const Dyadic& a, const Dyadic& b) {
  return a.negative == b.negative && a.limbs == b.limbs &&
         (a.limbs.empty() || a.exponent == b.exponent);
}
inline bool same(const ExactSum& a, const Oracle& b) { return same(a.dyadic(), b.dyadic()); }

}  // namespace evenly::testing
