// A sum that never rounds.
//
// An ExactSum is a two's-complement integer of 64-bit limbs times a power of two, wide enough for
// everything added so far: it grows at either end when a value falls outside. Six limbs (384 bits)
// are stored inside the object, which is enough for ordinary columns; only a column that mixes,
// say, 1e-100 with 1e100 uses the heap. (The idea is Kulisch's long accumulator, "Computer
// Arithmetic and Validity", 2nd ed. 2013, chapter 8; storing only the words in use keeps it short.)
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/int128.h"

namespace evenly {

// The canonical form of a number: (-1)^negative * limbs * 2^exponent with odd limbs, or no limbs
// for zero.
struct Dyadic {
  bool negative = false;
  std::vector<uint64_t> limbs;  // least significant first
  int exponent = 0;
};

class ExactSum {
 public:
  ExactSum() = default;
  ExactSum(const ExactSum& other) { copy(other); }
  ExactSum(ExactSum&& other) noexcept { steal(other); }
  ExactSum& operator=(const ExactSum& other) {
    if (this != &other) {
      release();
      copy(other);
    }
    return *this;
  }
  ExactSum& operator=(ExactSum&& other) noexcept {
    if (this != &other) {
      release();
      steal(other);
    }
    return *this;
  }
  ~ExactSum() { release(); }

  // += mantissa * 2^exponent, for |exponent| < 2^15 - 2^8.
  void add(int64_t mantissa, int exponent);
  void add_wide(int128 mantissa, int exponent);
  // += value, which must be finite.
  void add(double value);
  void add(const ExactSum& other);
  void subtract(const ExactSum& other);
  // Whether add_wide(mantissa, exponent) neither allocates memory nor adds words.
  bool has_room_for(int128 mantissa, int exponent) const {
    if (mantissa == 0) return true;
    int first = exponent >> 6, words = int128(int64_t(mantissa)) == mantissa ? 2 : 3;
    return size_ != 0 && first >= low_ && first + words < low_ + int(size_) && size_ < capacity_;
  }
  // Allocates all the memory that adding `other` needs, so that add(other) cannot fail.
  void reserve_for(const ExactSum& other);
  // Replaces the value.
  void assign(const Dyadic& value);

  Dyadic dyadic() const;
  // The same, in memory that is reused from one number to the next.
  void read(Dyadic& value) const;
  // The words in use, valid until the next change: a two's-complement integer of `size` limbs,
  // least significant first, times 2^(64 * low).
  struct Words {
    const uint64_t* limbs;
    int size, low;
  };
  Words words() const { return {limbs(), size_, low_}; }
  bool is_zero() const;
  bool is_negative() const { return size_ != 0 && int64_t(limbs()[size_ - 1]) < 0; }
  bool operator==(const ExactSum& other) const;
  // Bytes allocated outside the object.
  std::size_t heap_bytes() const { return on_heap() ? capacity_ * sizeof(uint64_t) : 0; }

 private:
  static constexpr uint32_t kInside = 6;

  bool on_heap() const { return capacity_ > kInside; }
  uint64_t* limbs() { return on_heap() ? heap_ : inside_; }
  const uint64_t* limbs() const { return on_heap() ? heap_ : inside_; }
  void copy(const ExactSum& other) {
    if (other.on_heap()) return copy_heap(other);
    low_ = other.low_;
    size_ = other.size_;
    capacity_ = kInside;
    std::memcpy(inside_, other.inside_, sizeof inside_);  // all of it, a few vector registers
  }
  void copy_heap(const ExactSum& other);
  void steal(ExactSum& other) noexcept;
  void release() {
    if (on_heap()) delete[] heap_;
    capacity_ = kInside;
    size_ = 0;
  }
  // Makes sure that the words first..last and a sign word above them are present.
  void cover(int first, int last) {
    if (size_ == 0 || first < low_ || last + 1 >= low_ + int(size_)) widen(first, last);
  }
  void widen(int first, int last);
  void reserve(uint32_t limbs);
  // Adds the carry and the sign word to all words from `index` upward.
  void propagate(uint32_t index, uint64_t sign, unsigned carry);
  // Keeps headroom in the top word for the next additions, each of which changes it by at most one.
  void guard_top() {
    if ((limbs()[size_ - 1] + (uint64_t(1) << 62)) >> 63) widen(low_, low_ + int(size_) - 1);
  }
  uint64_t word(int index) const;  // of the infinite two's-complement representation

  int16_t low_ = 0;    // the exponent of limb 0, in 64-bit words
  uint16_t size_ = 0;  // limbs in use; the top one holds the sign
  uint32_t capacity_ = kInside;
  union {
    uint64_t inside_[kInside];
    uint64_t* heap_;
  };
};

}  // namespace evenly
