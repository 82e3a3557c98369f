#include "distribution/value_counter.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "distribution/ordered_bits.h"

namespace evenly {
namespace {

// The most magnitudes of a window; from a shift of 47 on, it could contain every number.
constexpr uint64_t kMostMagnitudes = 1 << 16;
// A window is used if it contains this share of the values, in percent.
constexpr int64_t kUsefulShare = 75;
// A window's counts have 32 bits.
constexpr int64_t kMostInWindow = int64_t(1) << 31;
constexpr int64_t kFirstRetry = 8 * ValueCounter::kBlock;

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

}  // namespace

ValueCounter::ValueCounter(int64_t most_bins)
    : most_bins_(most_bins),
      total_(most_bins),
      until_retry_(kFirstRetry),
      next_check_(kFirstRetry) {
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
  uint32_t* const counts = counts_.data();
  const uint32_t* const indices = indices_.data();
  window_indices_(values, count, window_, indices_.data());
  for (int64_t i = 0; i < count; ++i) ++counts[indices[i]];
  in_window_ += count;
  const int64_t other = 2 * int64_t(window_.size);
  const int64_t others = take_count(other);
  zeros_ += take_count(other + 1);
  take_count(other + 2);
  missed_ += others;
  for (int64_t left = others, i = 0; left > 0; ++i) {
    if (indices[i] != uint32_t(other)) continue;
    count_in_table(ordered_bits(values[i]) >> shift_, 1);
    --left;
  }
}

// Returns a count of the window, and sets it to 0.
int64_t ValueCounter::take_count(int64_t index) {
  return std::exchange(counts_[std::size_t(index)], 0);
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

// Whether the window has so many bins that a larger shift would take less of the cache. They are
// counted more and more seldom.
bool ValueCounter::is_crowded() {
  if (!has_window_ || in_window_ < next_check_) return false;
  next_check_ = 8 * in_window_;
  const auto end = counts_.begin() + 2 * int64_t(window_.size);
  const int64_t occupied = end - counts_.begin() - std::count(counts_.begin(), end, 0u);
  return occupied > most_bins_ + most_bins_ / 2;
}

void ValueCounter::flush_if_full() {
  // Without a window, the bins are sought as soon as possible; with one, seldom.
  const int64_t most = has_window_ ? 2 * most_bins_ : most_bins_;
  const bool full = int64_t(used_slots_.size()) > most;
  const bool misplaced = has_window_ && missed_ > kFirstRetry && missed_ > in_window_ / 4;
  const bool overflows = in_window_ > kMostInWindow - kBlock;
  const bool retry = !has_window_ && until_retry_ <= 0;
  if (retry) until_retry_ = total_.bins().empty() ? kFirstRetry : 64 * kFirstRetry;
  if (full || misplaced || overflows || retry || is_crowded()) flush();
}

// The bins with values in the window, in order: negative numbers by falling magnitude, then others.
std::vector<Bin> ValueCounter::take_window_bins() {
  std::vector<Bin> bins;
  bins.reserve(std::size_t(2 * most_bins_));
  const auto add = [&](uint64_t place, bool negative) {
    const int64_t count = take_count(2 * int64_t(place) + negative);
    if (count == 0) return;
    const uint64_t magnitude = (place + window_.base) << (window_.shift - shift_);
    bins.push_back({bin_key(magnitude, negative, shift_), count});
  };
  for (uint64_t place = window_.size; place-- > 0;) add(place, true);
  for (uint64_t place = 0; place < window_.size; ++place) add(place, false);
  return bins;
}

// Adds the counts since the last flush to the total, which determines new bins.
void ValueCounter::flush() {
  std::vector<Bin> bins;
  if (zeros_ > 0) total_.add(0.0, std::exchange(zeros_, 0));
  bins.reserve(used_slots_.size());
  for (uint32_t i : used_slots_) bins.push_back({slots_[i].key, std::exchange(slots_[i].count, 0)});
  used_slots_.clear();
  std::sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
  total_.add(Histogram(most_bins_, shift_, std::move(bins)));
  if (has_window_) total_.add(Histogram(most_bins_, shift_, take_window_bins()));
  shift_ = total_.shift();
  in_window_ = missed_ = 0;
  next_check_ = kFirstRetry;
  place_window();
}

// Places the window over most of the values, if possible: at the shift of the bins, or at the
// larger one that ignores bits that are 0 in all values, such as those of float32 or of integers.
void ValueCounter::place_window() {
  std::vector<Bin> bins = total_.bins();
  int64_t total = 0, negative = 0;
  uint64_t bits = 0;
  for (Bin& bin : bins) {
    negative += !(bin.key & kSignBit >> shift_);
    bin.key = magnitude_of(bin.key, shift_);
    total += bin.count;
    bits |= bin.key;
  }
  // Negative numbers were in order of falling magnitude.
  const auto by_key = [](const Bin& a, const Bin& b) { return a.key < b.key; };
  const auto positive = bins.begin() + negative;
  std::reverse(bins.begin(), positive);
  std::inplace_merge(bins.begin(), positive, bins.end(), by_key);
  const int64_t enough = total / 100 * kUsefulShare;
  has_window_ = bits != 0 && (place_window_at(shift_, bins, enough) ||
                              place_window_at(shift_ + std::countr_zero(bits), bins, enough));
  const std::size_t size = has_window_ ? std::size_t(window_.counts()) : 0;
  if (size > counts_.size()) counts_ = std::vector<uint32_t>(size);
}

// Places the window at a shift where it contains most of the values of bins, whose keys are
// magnitudes. Returns false if that is not enough.
bool ValueCounter::place_window_at(int shift, const std::vector<Bin>& bins, int64_t enough) {
  const int drop = shift - shift_;
  int64_t inside = 0, most = -1;
  uint64_t low = 0, high = 0;
  for (std::size_t first = 0, last = 0; last < bins.size(); ++last) {
    inside += bins[last].count;
    while ((bins[last].key >> drop) - (bins[first].key >> drop) >= kMostMagnitudes) {
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
  // Larger than needed, for the values to come.
  const uint64_t length = high - low + 1;
  const uint64_t margin = std::min((kMostMagnitudes - length) / 2, length / 2 + 32);
  window_.base = low - std::min(low, margin);
  window_.size = std::min(high + 1 + margin, end) - window_.base;
  return true;
}

Histogram ValueCounter::take() {
  flush();
  return std::exchange(total_, Histogram(most_bins_, shift_, {}));
}

void ValueCounter::reset() {
  has_window_ = false;
  shift_ = 0;
  total_ = Histogram(most_bins_);
  until_retry_ = kFirstRetry;
}

}  // namespace evenly
