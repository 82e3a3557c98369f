// The places of values in tables of counts.
#pragma once

#include <cstdint>

namespace evenly {

// A range of magnitudes of both signs, at a shift of at least that of the histogram. It contains
// only values whose bits between both shifts, those of the mask, are 0; and only finite ones.
struct BinWindow {
  int shift = 0;
  uint64_t mask = 0, base = 0, size = 0;

  // The number of counts: see ValueIndices.
  int64_t counts() const { return 2 * int64_t(size) + 3; }
};

// The bits of a value, of which the lowest are 0, in a hash table. -0.0 is 0.0, and all infinities
// and NaN have the same key.
struct SlotKeys {
  static constexpr uint64_t kMissing = ~uint64_t(0);
  // No value has this key.
  static constexpr uint64_t kUnused = kMissing >> 1;

  uint64_t kept;  // a mask
  int bits;       // of a slot
};

// Loops over a block of values, compiled for several instruction sets.
struct ValueIndices {
  // Sets indices[i] to the index of the count of values[i]: twice the place of its magnitude in the
  // window, plus the sign. After the window follow the counts of other values, of zeros, and of
  // infinities and NaN: these are frequent, and need no key.
  void (*find_places)(const double* values, int64_t count, const BinWindow& window,
                      uint32_t* indices);
  // Sets keys[i] to the key of values[i], and indices[i] to its slot.
  void (*find_slots)(const double* values, int64_t count, const SlotKeys& slots, uint64_t* keys,
                     uint32_t* indices);
};

// The functions for the kernels in use.
ValueIndices value_indices();

}  // namespace evenly
