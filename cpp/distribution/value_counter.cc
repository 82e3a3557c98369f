#include "distribution/value_counter.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

#include "distribution/ordered_bits.h"

namespace evenly {
namespace {

// 512 KB of counts, of which a column uses a few dozen KB: two for each magnitude, one per sign.
// From a shift of 47 on, the window contains every number.
constexpr int64_t kWindow = 1 << 17;
// The counts after the window: see WindowIndices.
constexpr uint32_t kOthers = 3;
// A window is used if it contains this share of the values, in percent.
constexpr int64_t kUsefulShare = 75;
// A window's counts have 32 bits.
constexpr int64_t kMostInWindow = int64_t(1) << 31;
constexpr int64_t kFirstRetry = 4 * ValueCounter::kBlock;

uint64_t low_bits(int count) { return (uint64_t(1) << count) - 1; }

// The magnitude of the values of a bin, without the lowest bits, and the inverse.
uint64_t magnitude_of(uint64_t key, int shift) {
  const uint64_t sign = kSignBit >> shift;
  return key & sign ? key ^ sign : sign - 1 - key;
}
uint64_t bin_key(uint64_t magnitude, bool negative, int shift) {
  const uint64_t sign = kSignBit >> shift;
  return negative ? sign - 1 - magnitude : sign | magnitude;
}

// The place of a key in a hash table (Knuth's multiplicative hashing).
std::size_t place_of(uint64_t key, int bits) {
  return std::size_t(key * 0x9e3779b97f4a7c15u >> (64 - bits));
}

// Memory that the operating system provides, and sets to 0, only where it is used.
WindowCounts allocate_counts() {
  void* memory = std::calloc(kWindow + kOthers, sizeof(uint32_t));
  if (!memory) throw std::bad_alloc();
  return WindowCounts(static_cast<uint32_t*>(memory));
}

}  // namespace

ValueCounter::ValueCounter(int64_t most_bins)
    : most_bins_(most_bins), total_(most_bins), until_retry_(kFirstRetry) {
  // At most half of the slots are used: up to two times the bins before a block, and one block.
  slot_bits_ = std::bit_width(uint64_t(2 * (2 * most_bins + kBlock)) - 1) + 1;
  slots_.resize(std::size_t(1) << slot_bits_);
  indices_.resize(kBlock);
}

void ValueCounter::add(const double* values, int64_t count) {
  has_window_ ? count_in_window(values, count) : count_missed(values, count);
  flush_if_full();
}

void ValueCounter::add(const double* values, const double* weights, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (weights[i] == 0 || !is_finite_bits(values[i])) continue;
    count_in_table(ordered_bits(values[i]) >> shift_, int64_t(weights[i]));
  }
  if (int64_t(used_slots_.size()) > 2 * most_bins_) flush();
}

void ValueCounter::count_in_table(uint64_t key, int64_t count) {
  std::size_t i = place_of(key, slot_bits_);
  while (slots_[i].count != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  if (slots_[i].count == 0) {
    used_slots_.push_back(uint32_t(i));
    slots_[i].key = key;
  }
  slots_[i].count += count;
}

// The block is processed in two loops: the first is vectorized, and in the second the processor
// need not wait for a count before it continues with the next value.
void ValueCounter::count_in_window(const double* values, int64_t count) {
  const uint32_t other = uint32_t(2 * window_.size);
  uint32_t* const counts = counts_.get();
  const uint32_t* const indices = indices_.data();
  window_indices_(values, count, window_, indices_.data());
  for (uint32_t i = 0; i < kOthers; ++i) counts[other + i] = 1;  // they are not bins
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t index = indices[i];
    if (counts[index]++ == 0) {
      occupied_[index / 64] |= uint64_t(1) << index % 64;
      ++occupied_bins_;
    }
  }
  in_window_ += count;
  zeros_ += counts[other + 1] - 1;
  int64_t others = int64_t(counts[other]) - 1;
  missed_ += others;
  for (uint32_t i = 0; i < kOthers; ++i) counts[other + i] = 0;
  for (int64_t i = 0; others > 0; ++i) {
    if (indices[i] != other) continue;
    count_in_table(ordered_bits(values[i]) >> shift_, 1);
    --others;
  }
}

void ValueCounter::count_missed(const double* values, int64_t count) {
  Slot* const slots = slots_.data();
  const int shift = shift_, bits = slot_bits_;
  for (int64_t i = 0; i < count; ++i) {
    if (!is_finite_bits(values[i])) continue;
    const uint64_t key = ordered_bits(values[i]) >> shift;
    Slot& slot = slots[place_of(key, bits)];
    if (slot.count != 0 && slot.key == key) {
      ++slot.count;
    } else {
      count_in_table(key, 1);
    }
  }
  until_retry_ -= count;
}

void ValueCounter::flush_if_full() {
  // Without a window, the bins are sought as soon as possible; with one, seldom.
  const int64_t most = has_window_ ? 2 * most_bins_ : most_bins_;
  const bool full = int64_t(used_slots_.size()) + occupied_bins_ > most;
  const bool misplaced = has_window_ && missed_ > kFirstRetry && missed_ > in_window_ / 4;
  const bool overflows = in_window_ > kMostInWindow - kBlock;
  const bool retry = !has_window_ && until_retry_ <= 0;
  if (retry) until_retry_ = total_.bins().empty() ? kFirstRetry : 64 * kFirstRetry;
  if (full || misplaced || overflows || retry) flush();
}

// The bins with values in the window, in order: negative numbers by falling magnitude, then others.
std::vector<Bin> ValueCounter::take_window_bins() {
  std::vector<Bin> bins, positive;
  for (std::size_t word = 0; word < occupied_.size(); ++word) {
    for (uint64_t bits = std::exchange(occupied_[word], 0); bits != 0; bits &= bits - 1) {
      const std::size_t index = 64 * word + std::size_t(std::countr_zero(bits));
      const uint64_t magnitude = (index / 2 + window_.base) << (window_.shift - shift_);
      const bool negative = index % 2 != 0;
      (negative ? bins : positive)
          .push_back(
              {bin_key(magnitude, negative, shift_), int64_t(std::exchange(counts_[index], 0))});
    }
  }
  occupied_bins_ = 0;
  std::reverse(bins.begin(), bins.end());
  bins.insert(bins.end(), positive.begin(), positive.end());
  return bins;
}

// Adds the counts since the last flush to the total, which determines new bins.
void ValueCounter::flush() {
  std::vector<Bin> bins;
  if (zeros_ > 0) total_.add(0.0, std::exchange(zeros_, 0));
  for (uint32_t i : used_slots_) bins.push_back({slots_[i].key, std::exchange(slots_[i].count, 0)});
  used_slots_.clear();
  std::sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
  total_.add(Histogram(most_bins_, shift_, std::move(bins)));
  if (has_window_) total_.add(Histogram(most_bins_, shift_, take_window_bins()));
  shift_ = total_.shift();
  in_window_ = missed_ = 0;
  place_window();
}

// Places the window over most of the values, if possible: at the shift of the bins, or at the
// larger one that ignores bits that are 0 in all values, such as those of float32 or of integers.
void ValueCounter::place_window() {
  std::vector<Bin> bins = total_.bins();
  int64_t total = 0;
  uint64_t bits = 0;
  for (Bin& bin : bins) {
    bin.key = magnitude_of(bin.key, shift_);
    total += bin.count;
    bits |= bin.key;
  }
  std::sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
  const int64_t enough = total / 100 * kUsefulShare;
  has_window_ = bits != 0 && (place_window_at(shift_, bins, enough) ||
                              place_window_at(shift_ + std::countr_zero(bits), bins, enough));
  if (has_window_ && !counts_) {
    counts_ = allocate_counts();
    occupied_.resize(kWindow / 64);
  }
}

// Places the window at a shift where it contains most of the values of bins, whose keys are
// magnitudes. Returns false if that is not enough.
bool ValueCounter::place_window_at(int shift, const std::vector<Bin>& bins, int64_t enough) {
  constexpr uint64_t kLength = kWindow / 2;
  const int drop = shift - shift_;
  int64_t inside = 0, most = -1;
  uint64_t low = 0, high = 0;
  for (std::size_t first = 0, last = 0; last < bins.size(); ++last) {
    inside += bins[last].count;
    while ((bins[last].key >> drop) - (bins[first].key >> drop) >= kLength) {
      inside -= bins[first++].count;
    }
    if (inside > most) {
      most = inside;
      low = bins[first].key >> drop;
      high = bins[last].key >> drop;
    }
  }
  // The bins before this one have only finite values.
  const uint64_t end = std::bit_cast<uint64_t>(std::numeric_limits<double>::infinity()) >> shift;
  if (most < enough || high >= end) return false;
  window_.shift = shift;
  window_.mask = low_bits(shift) & ~low_bits(shift_);
  window_.base = low - std::min(low, (kLength - 1 - (high - low)) / 2);
  window_.size = std::min(kLength, end - window_.base);
  return true;
}

Histogram ValueCounter::take() {
  flush();
  has_window_ = false;
  shift_ = 0;
  until_retry_ = kFirstRetry;
  return std::exchange(total_, Histogram(most_bins_));
}

}  // namespace evenly
