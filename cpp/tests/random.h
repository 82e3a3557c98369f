// Random numbers for tests.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace evenly::testing {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t bits() { return engine_(); }
  // In [0, count).
  int64_t below(int64_t count) { return int64_t(engine_() % uint64_t(count)); }
  // In [first, last].
  int64_t between(int64_t first, int64_t last) { return first + below(last - first + 1); }
  bool one_in(int64_t count) { return below(count) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(int64_t(choices.size()))];
  }
  // A random bit pattern of random length, up to `length` bits.
  uint64_t of_length(int length) {
    int bits_wanted = int(between(1, length));
    return bits() >> (64 - bits_wanted);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace evenly::testing
