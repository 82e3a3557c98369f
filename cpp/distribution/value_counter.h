// Counts the values of one column, a block at a time.
//
// The first values are sorted. As soon as the bins are known approximately, most values fall into a
// narrow range of bins, and are counted in a directly indexed table (the window). Where they do
// not, as with few distinct values, they are counted in a hash table. How a value is counted does
// not change the result, since the histogram of the values is a function of their counts.
#pragma once

#include <cstdint>
#include <vector>

#include "distribution/count_indices.h"
#include "distribution/histogram.h"
#include "distribution/window.h"

namespace evenly {

class ValueCounter {
 public:
  // The number of values of a block.
  static constexpr int64_t kBlock = 1024;

  explicit ValueCounter(int64_t most_bins);

  // Adds up to kBlock values. NaN and infinities are missing values, which are not counted.
  void add(const double* values, int64_t count);
  // The same, with whole numbers as weights, whose sum is less than 2^63.
  void add(const double* values, const double* weights, int64_t count);
  // Returns the histogram, and starts again. The shift remains: the next values must be of the
  // same column, unless reset() is called.
  Histogram take();
  void reset();

 private:
  struct Slot {
    uint64_t key;
    int64_t count;
  };

  void collect(const double* values, int64_t count);
  void count_in_window(const double* values, int64_t count);
  void count_in_slots(const double* values, int64_t count);
  void count_in_slot(std::size_t i, int64_t count);
  bool is_crowded();
  void flush_if_full();
  void flush();
  void place_window();
  bool place_window_at(int shift, const std::vector<Bin>& bins, int64_t enough);
  std::vector<Bin> take_slot_bins();
  std::vector<Bin> take_window_bins();

  int64_t most_bins_;
  Histogram total_;  // of the values up to the last flush
  int shift_ = 0;    // of the bins since the last flush

  bool knows_bins_ = false;
  std::vector<uint64_t> collected_;  // ordered bits of the first values

  std::vector<Slot> slots_;  // a hash table with linear probing, of SlotKeys
  std::vector<uint32_t> used_slots_;
  int slot_bits_;
  std::vector<uint64_t> keys_;  // of a block
  int64_t zeros_ = 0;           // that are not in the window

  bool has_window_ = false;
  BinWindow window_;
  CountTables counts_;                  // in the window, and of the values outside
  int64_t in_window_ = 0, missed_ = 0;  // values since the last flush
  int64_t until_retry_;                 // values in the slots before a window is looked for
  int64_t next_check_;                  // values in the window before its bins are counted
  ValueIndices value_indices_ = value_indices();
  std::vector<uint32_t> indices_, missed_at_;
};

}  // namespace evenly
