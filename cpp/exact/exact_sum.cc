#include "exact/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace evenly {
namespace {

// x + y + carry; the carry out is returned by reference.
inline uint64_t add_carry(uint64_t x, uint64_t y, unsigned& carry) {
  unsigned __int128 total = (unsigned __int128)x + y + carry;
  carry = unsigned(total >> 64);
  return uint64_t(total);
}

}  // namespace

void ExactSum::copy_heap(const ExactSum& other) {
  low_ = other.low_;
  size_ = other.size_;
  if (other.size_ > kInside) {
    heap_ = new uint64_t[other.size_];
    capacity_ = other.size_;
  } else {
    capacity_ = kInside;
  }
  std::memcpy(limbs(), other.limbs(), size_ * sizeof(uint64_t));
}

void ExactSum::steal(ExactSum& other) noexcept {
  low_ = other.low_;
  size_ = other.size_;
  capacity_ = other.capacity_;
  if (other.on_heap()) {
    heap_ = other.heap_;
  } else {
    std::memcpy(inside_, other.inside_, sizeof inside_);
  }
  other.capacity_ = kInside;
  other.size_ = 0;
}

void ExactSum::widen(int first, int last) {
  int bottom = size_ ? std::min<int>(low_, first) : first;
  int top = size_ ? std::max<int>(low_ + size_ - 1, last + 1) : last + 1;
  uint32_t size = uint32_t(top - bottom + 1);
  uint32_t shift = size_ ? uint32_t(low_ - bottom) : 0;
  uint64_t sign = is_negative() ? ~uint64_t(0) : 0;
  if (size > capacity_) {
    uint64_t* grown = new uint64_t[size];
    std::memcpy(grown + shift, limbs(), size_ * sizeof(uint64_t));
    if (on_heap()) delete[] heap_;
    heap_ = grown;
    capacity_ = size;
  } else {
    std::memmove(limbs() + shift, limbs(), size_ * sizeof(uint64_t));
  }
  uint64_t* limb = limbs();
  std::fill(limb, limb + shift, 0);
  std::fill(limb + shift + size_, limb + size, sign);
  low_ = int16_t(bottom);
  size_ = uint16_t(size);
}

void ExactSum::reserve(uint32_t wanted) {
  if (wanted <= capacity_) return;
  uint64_t* grown = new uint64_t[wanted];
  std::memcpy(grown, limbs(), size_ * sizeof(uint64_t));
  if (on_heap()) delete[] heap_;
  heap_ = grown;
  capacity_ = wanted;
}

void ExactSum::reserve_for(const ExactSum& other) {
  if (other.size_ == 0) return;
  if (size_ != 0) cover(other.low_, other.low_ + other.size_ - 2);
  // One word more than the sum may need, for guard_top.
  reserve(std::max<uint32_t>(size_, other.size_) + 1);
}

void ExactSum::propagate(uint32_t index, uint64_t sign, unsigned carry) {
  uint64_t* limb = limbs();
  // Once sign + carry is zero (no carry over a positive addend, or a carry that meets a negative
  // one), the words above do not change. This is nearly always immediately the case.
  for (; index < size_ && sign + carry != 0; ++index) {
    limb[index] = add_carry(limb[index], sign, carry);
  }
  guard_top();
}

void ExactSum::add(int64_t mantissa, int exponent) {
  if (mantissa == 0) return;
  int first = exponent >> 6;
  unsigned shift = unsigned(exponent) & 63;
  cover(first, first + 1);
  uint64_t low = uint64_t(mantissa) << shift;
  // Two shifts, because a shift by 64 is undefined.
  int64_t high = mantissa >> 1 >> (63 - shift);
  uint64_t* limb = limbs() + (first - low_);
  unsigned carry = 0;
  limb[0] = add_carry(limb[0], low, carry);
  limb[1] = add_carry(limb[1], uint64_t(high), carry);
  propagate(uint32_t(first - low_) + 2, uint64_t(mantissa >> 63), carry);
}

void ExactSum::add_wide(int128 mantissa, int exponent) {
  if (int128(int64_t(mantissa)) == mantissa) return add(int64_t(mantissa), exponent);
  int first = exponent >> 6;
  unsigned shift = unsigned(exponent) & 63;
  cover(first, first + 2);
  using uint128 = unsigned __int128;
  uint128 low = uint128(mantissa) << shift;
  int64_t high = int64_t(mantissa >> 64 >> 1 >> (63 - shift));
  uint64_t* limb = limbs() + (first - low_);
  unsigned carry = 0;
  limb[0] = add_carry(limb[0], uint64_t(low), carry);
  limb[1] = add_carry(limb[1], uint64_t(low >> 64), carry);
  limb[2] = add_carry(limb[2], uint64_t(high), carry);
  propagate(uint32_t(first - low_) + 3, uint64_t(mantissa >> 127), carry);
}

void ExactSum::add(double value) {
  uint64_t bits = std::bit_cast<uint64_t>(value);
  int field = int(bits >> 52) & 0x7ff;
  int64_t mantissa = int64_t(bits & ((uint64_t(1) << 52) - 1));
  if (field != 0) mantissa |= int64_t(1) << 52;
  add(bits >> 63 ? -mantissa : mantissa, std::max(field, 1) - 1075);
}

uint64_t ExactSum::word(int index) const {
  if (size_ == 0 || index < low_) return 0;
  if (index >= low_ + int(size_)) return is_negative() ? ~uint64_t(0) : 0;
  return limbs()[index - low_];
}

void ExactSum::add(const ExactSum& other) {
  if (other.size_ == 0) return;
  if (size_ == 0 && other.size_ <= capacity_) {
    low_ = other.low_;
    size_ = other.size_;
    std::memcpy(limbs(), other.limbs(), size_ * sizeof(uint64_t));
    return;
  }
  if (size_ == 0) {
    *this = other;
    return;
  }
  // The top words of both are below 2^62 in magnitude (guard_top), so adding them cannot overflow
  // and no new word is needed: a tree of merges does not grow.
  cover(other.low_, other.low_ + other.size_ - 2);
  uint64_t* limb = limbs() + (other.low_ - low_);
  const uint64_t* addend = other.limbs();
  unsigned carry = 0;
  for (uint32_t i = 0; i < other.size_; ++i) limb[i] = add_carry(limb[i], addend[i], carry);
  propagate(uint32_t(other.low_ - low_) + other.size_, other.is_negative() ? ~uint64_t(0) : 0,
            carry);
}

void ExactSum::subtract(const ExactSum& other) {
  if (other.size_ == 0) return;
  // -x = ~x + 1 in units of its lowest word.
  cover(other.low_, other.low_ + other.size_ - 2);
  uint64_t* limb = limbs() + (other.low_ - low_);
  const uint64_t* addend = other.limbs();
  unsigned carry = 1;
  for (uint32_t i = 0; i < other.size_; ++i) limb[i] = add_carry(limb[i], ~addend[i], carry);
  propagate(uint32_t(other.low_ - low_) + other.size_, other.is_negative() ? 0 : ~uint64_t(0),
            carry);
}

bool ExactSum::is_zero() const {
  const uint64_t* limb = limbs();
  return std::all_of(limb, limb + size_, [](uint64_t x) { return x == 0; });
}

bool ExactSum::operator==(const ExactSum& other) const {
  if (size_ == 0 || other.size_ == 0) return is_zero() && other.is_zero();
  int bottom = std::min(low_, other.low_);
  int top = std::max(low_ + size_, other.low_ + other.size_);
  for (int i = bottom; i < top; ++i) {
    if (word(i) != other.word(i)) return false;
  }
  return is_negative() == other.is_negative();
}

Dyadic ExactSum::dyadic() const {
  Dyadic value;
  read(value);
  return value;
}

void ExactSum::read(Dyadic& value) const {
  value.negative = is_negative();
  value.exponent = 0;
  value.limbs.assign(limbs(), limbs() + size_);
  if (value.negative) {
    unsigned carry = 1;
    for (uint64_t& limb : value.limbs) limb = add_carry(~limb, 0, carry);
  }
  while (!value.limbs.empty() && value.limbs.back() == 0) value.limbs.pop_back();
  if (value.limbs.empty()) return;
  auto first = std::find_if(value.limbs.begin(), value.limbs.end(), [](uint64_t x) { return x; });
  value.exponent = 64 * (low_ + int(first - value.limbs.begin()));
  value.limbs.erase(value.limbs.begin(), first);
  int shift = std::countr_zero(value.limbs[0]);
  if (shift) {
    for (std::size_t i = 0; i < value.limbs.size(); ++i) {
      uint64_t above = i + 1 < value.limbs.size() ? value.limbs[i + 1] : 0;
      value.limbs[i] = value.limbs[i] >> shift | above << (64 - shift);
    }
    if (value.limbs.back() == 0) value.limbs.pop_back();
  }
  value.exponent += shift;
}

void ExactSum::assign(const Dyadic& value) {
  release();
  ExactSum magnitude;
  for (std::size_t i = 0; i < value.limbs.size(); ++i) {
    int exponent = value.exponent + 64 * int(i);
    magnitude.add_wide(int128(value.limbs[i]), exponent);
  }
  if (value.negative) {
    subtract(magnitude);
  } else {
    *this = std::move(magnitude);
  }
}

}  // namespace evenly
