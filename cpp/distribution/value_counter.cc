#include "distribution/value_counter.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "distribution/ordered_bits.h"

namespace evenly {
namespace {

// 512 KB of counts, of which a column uses a few dozen KB. From a shift of 47 on, the window
// contains every number.
constexpr int64_t kWindow = 1 << 17;
// A window is used if it contains this share of the values, in percent.
constexpr int64_t kUsefulShare = 75;
// A window's counts have 32 bits.
constexpr int64_t kMostInWindow = int64_t(1) << 31;
constexpr int64_t kFirstRetry = 4 * ValueCounter::kBlock;

uint64_t low_bits(int count) { return (uint64_t(1) << count) - 1; }

}  // namespace

ValueCounter::ValueCounter(int64_t most_bins)
    : most_bins_(most_bins), total_(most_bins), until_retry_(kFirstRetry) {
  // At most half of the slots are used: up to two times the bins before a block, and one block.
  slot_bits_ = std::bit_width(uint64_t(2 * (2 * most_bins + kBlock)) - 1) + 1;
  slots_.resize(std::size_t(1) << slot_bits_);
  indices_.resize(kBlock);
  rest_.resize(kBlock);
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
  std::size_t i = std::size_t(key * 0x9e3779b97f4a7c15u >> (64 - slot_bits_));
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
  const uint64_t mask = window_mask_, base = window_base_;
  const int shift = window_shift_;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = ordered_bits(values[i]);
    const uint64_t index = std::min<uint64_t>((key >> shift) - base, kWindow);
    const bool counted = (key & mask) == 0 && is_finite_bits(values[i]);
    indices_[std::size_t(i)] = uint32_t(counted ? index : kWindow);
  }
  window_[kWindow] = 1;  // counts the values outside of the window
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t index = indices_[std::size_t(i)];
    if (window_[index]++ == 0) {
      occupied_[index / 64] |= uint64_t(1) << index % 64;
      ++occupied_bins_;
    }
  }
  in_window_ += count;
  const int64_t outside = int64_t(window_[kWindow]) - 1;
  if (outside == 0) return;
  in_window_ -= outside;
  int64_t rest = 0, zeros = 0;
  for (int64_t i = 0; i < count; ++i) {  // without branches, which would be unpredictable
    const bool zero = values[i] == 0, missed = indices_[std::size_t(i)] == kWindow;
    rest_[std::size_t(rest)] = values[i];
    zeros += missed && zero;
    rest += missed && !zero && is_finite_bits(values[i]);
  }
  zeros_ += zeros;
  missed_ += rest;
  for (int64_t i = 0; i < rest; ++i) {
    count_in_table(ordered_bits(rest_[std::size_t(i)]) >> shift_, 1);
  }
}

void ValueCounter::count_missed(const double* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (is_finite_bits(values[i])) count_in_table(ordered_bits(values[i]) >> shift_, 1);
  }
  until_retry_ -= count;
}

void ValueCounter::flush_if_full() {
  const bool full = int64_t(used_slots_.size()) + occupied_bins_ > 2 * most_bins_;
  const bool misplaced = has_window_ && missed_ > kFirstRetry && missed_ > in_window_ / 4;
  const bool overflows = in_window_ > kMostInWindow - kBlock;
  const bool retry = !has_window_ && until_retry_ <= 0;
  if (retry) until_retry_ = total_.bins().empty() ? kFirstRetry : 64 * kFirstRetry;
  if (full || misplaced || overflows || retry) flush();
}

void ValueCounter::append_window_bins(std::vector<Bin>& bins) {
  for (std::size_t word = 0; word < occupied_.size(); ++word) {
    for (uint64_t bits = std::exchange(occupied_[word], 0); bits != 0; bits &= bits - 1) {
      const std::size_t index = 64 * word + std::size_t(std::countr_zero(bits));
      bins.push_back({(index + window_base_) << (window_shift_ - shift_), window_[index]});
      window_[index] = 0;
    }
  }
  occupied_bins_ = 0;
}

// Adds the counts since the last flush to the total, which determines new bins.
void ValueCounter::flush() {
  std::vector<Bin> bins;
  if (zeros_ > 0) total_.add(0.0, std::exchange(zeros_, 0));
  for (uint32_t i : used_slots_) bins.push_back({slots_[i].key, std::exchange(slots_[i].count, 0)});
  used_slots_.clear();
  std::sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
  total_.add(Histogram(most_bins_, shift_, std::move(bins)));
  if (has_window_) {
    bins.clear();
    append_window_bins(bins);
    total_.add(Histogram(most_bins_, shift_, std::move(bins)));
  }
  shift_ = total_.shift();
  in_window_ = missed_ = 0;
  place_window();
}

// Places the window over most of the values, if possible: at the shift of the bins, or at the
// larger one that ignores bits that are 0 in all values, such as those of float32 or of integers.
void ValueCounter::place_window() {
  int64_t total = 0;
  uint64_t bits = 0;
  for (const Bin& bin : total_.bins()) {
    total += bin.count;
    bits |= bin.key;
  }
  const int64_t enough = total / 100 * kUsefulShare;
  has_window_ = bits != 0 && (place_window_at(shift_, enough) ||
                              place_window_at(shift_ + std::countr_zero(bits), enough));
  if (has_window_ && window_.empty()) {
    window_.resize(kWindow + 1);
    occupied_.resize(kWindow / 64);
  }
}

bool ValueCounter::place_window_at(int shift, int64_t enough) {
  const std::vector<Bin>& bins = total_.bins();
  const int drop = shift - shift_;
  int64_t inside = 0, most = -1;
  std::size_t first = 0, best_first = 0, best_last = 0;
  for (std::size_t last = 0; last < bins.size(); ++last) {
    inside += bins[last].count;
    while ((bins[last].key >> drop) - (bins[first].key >> drop) >= kWindow) {
      inside -= bins[first++].count;
    }
    if (inside > most) {
      most = inside;
      best_first = first;
      best_last = last;
    }
  }
  if (most < enough) return false;
  const uint64_t low = bins[best_first].key >> drop, high = bins[best_last].key >> drop;
  window_shift_ = shift;
  window_mask_ = low_bits(shift) & ~low_bits(shift_);
  window_base_ = low - std::min(low, (kWindow - 1 - (high - low)) / 2);
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
