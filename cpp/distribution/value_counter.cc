#include "distribution/value_counter.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "distribution/ordered_bits.h"
#include "distribution/sort_keys.h"

namespace evenly {
namespace {

// A window is used if it contains this share of the values, in percent.
constexpr int64_t kUsefulShare = 75;
constexpr int64_t kFirstRetry = 8 * ValueCounter::kBlock;

// The most magnitudes of a window; from a shift of 48 on, it could contain every number.
int64_t most_magnitudes(int64_t most_bins) { return std::max<int64_t>(1 << 15, 2 * most_bins); }

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

}  // namespace

ValueCounter::ValueCounter(int64_t most_bins)
    : most_bins_(most_bins),
      total_(most_bins),
      until_retry_(kFirstRetry),
      next_check_(kFirstRetry) {
  // At most a quarter of the slots is used, by up to two times the bins before a block, and one
  // block: few keys have to share a slot.
  slot_bits_ = std::bit_width(uint64_t(2 * (2 * most_bins + kBlock)) - 1) + 2;
  slots_.resize(std::size_t(1) << slot_bits_, {SlotKeys::kUnused, 0});
  keys_.resize(kBlock);
  indices_.resize(kBlock);
  missed_at_.resize(kBlock);
}

void ValueCounter::add(const double* values, int64_t count) {
  if (!knows_bins_) return collect(values, count);
  has_window_ ? count_in_window(values, count) : count_in_slots(values, count);
  flush_if_full();
}

void ValueCounter::add(const double* values, const double* weights, int64_t count) {
  value_indices_.find_slots(values, count, {~low_bits(shift_), slot_bits_}, keys_.data(),
                            indices_.data());
  for (int64_t i = 0; i < count; ++i) {
    if (weights[i] > 0) count_in_slot(std::size_t(i), int64_t(weights[i]));
  }
  if (int64_t(used_slots_.size()) > 2 * most_bins_) flush();
}

void ValueCounter::collect(const double* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (is_finite_bits(values[i])) collected_.push_back(ordered_bits(values[i]));
  }
  if (int64_t(collected_.size()) >= 2 * std::max(most_bins_, kBlock)) flush();
}

// Counts keys_[i], whose slot is indices_[i].
void ValueCounter::count_in_slot(std::size_t i, int64_t count) {
  std::size_t at = indices_[i];
  while (slots_[at].count != 0 && slots_[at].key != keys_[i]) at = (at + 1) & (slots_.size() - 1);
  if (slots_[at].count == 0) {
    used_slots_.push_back(uint32_t(at));
    slots_[at].key = keys_[i];
  }
  slots_[at].count += count;
}

// The first loop has no calls: a key is in its own slot nearly always.
void ValueCounter::count_in_slots(const double* values, int64_t count) {
  value_indices_.find_slots(values, count, {~low_bits(shift_), slot_bits_}, keys_.data(),
                            indices_.data());
  Slot* const slots = slots_.data();
  const uint64_t* const keys = keys_.data();
  const uint32_t* const indices = indices_.data();
  uint32_t* const missed_at = missed_at_.data();
  int64_t missed = 0;
  for (int64_t i = 0; i < count; ++i) {
    Slot& slot = slots[indices[i]];
    if (slot.key == keys[i]) {
      ++slot.count;
    } else {
      missed_at[missed++] = uint32_t(i);
    }
  }
  for (int64_t i = 0; i < missed; ++i) count_in_slot(missed_at[i], 1);
  until_retry_ -= count;
}

void ValueCounter::count_in_window(const double* values, int64_t count) {
  uint32_t* const indices = indices_.data();
  value_indices_.find_places(values, count, window_, indices);
  counts_.count(indices, count);
  in_window_ += count;
  const int64_t other = 2 * int64_t(window_.size);
  zeros_ += counts_.take(other + 1);
  counts_.take(other + 2);
  const int64_t others = counts_.take(other);
  if (others == 0) return;
  missed_ += others;
  int64_t found = 0;
  std::vector<double> missed(others);
  for (int64_t i = 0; i < count; ++i) {
    if (indices[i] == uint32_t(other)) missed[found++] = values[i];
  }
  value_indices_.find_slots(missed.data(), others, {~low_bits(shift_), slot_bits_}, keys_.data(),
                            indices);
  for (std::size_t i = 0; i < std::size_t(others); ++i) count_in_slot(i, 1);
}

// Whether the window has so many bins that a larger shift would take less of the cache. They are
// counted more and more seldom.
bool ValueCounter::is_crowded() {
  if (!has_window_ || in_window_ < next_check_) return false;
  next_check_ = 8 * in_window_;
  return counts_.used(2 * int64_t(window_.size)) > most_bins_ + most_bins_ / 2;
}

void ValueCounter::flush_if_full() {
  // Without a window, the bins are sought as soon as possible; with one, seldom.
  const int64_t most = has_window_ ? 2 * most_bins_ : most_bins_;
  const bool full = int64_t(used_slots_.size()) > most;
  const bool misplaced = has_window_ && missed_ > kFirstRetry && missed_ > in_window_ / 4;
  const bool overflows = in_window_ > CountTables::kMostIndices - kBlock;
  const bool retry = !has_window_ && until_retry_ <= 0;
  if (retry) until_retry_ = 64 * kFirstRetry;
  if (full || misplaced || overflows || retry || is_crowded()) flush();
}

std::vector<Bin> ValueCounter::take_slot_bins() {
  std::vector<Bin> bins;
  bins.reserve(used_slots_.size());
  for (uint32_t i : used_slots_) {
    const auto [key, count] = std::exchange(slots_[i], {SlotKeys::kUnused, 0});
    if (key == SlotKeys::kMissing) continue;
    bins.push_back({in_order_of_values(key) >> shift_, count});  // small negatives are -0.0 here
  }
  used_slots_.clear();
  std::sort(bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.key < b.key; });
  return bins;
}

// The bins with values in the window, in order: negative numbers by falling magnitude, then others.
std::vector<Bin> ValueCounter::take_window_bins() {
  std::vector<Bin> bins, positive;
  bins.reserve(std::size_t(2 * most_bins_));
  positive.reserve(std::size_t(2 * most_bins_));
  counts_.take_all(0, 2 * int64_t(window_.size), [&](int64_t index, int64_t count) {
    const uint64_t magnitude = (uint64_t(index / 2) + window_.base) << (window_.shift - shift_);
    const bool negative = index % 2;
    (negative ? bins : positive).push_back({bin_key(magnitude, negative, shift_), count});
  });
  std::reverse(bins.begin(), bins.end());
  bins.insert(bins.end(), positive.begin(), positive.end());
  return bins;
}

// Adds the counts since the last flush to the total, which determines new bins.
void ValueCounter::flush() {
  if (!collected_.empty()) total_.add(histogram_of(collected_, most_bins_));
  collected_.clear();
  knows_bins_ |= !total_.bins().empty();
  total_.add(0.0, std::exchange(zeros_, 0));
  if (!used_slots_.empty()) total_.add(Histogram(most_bins_, shift_, take_slot_bins()));
  if (has_window_) total_.add(Histogram(most_bins_, shift_, take_window_bins()));
  shift_ = total_.shift();
  in_window_ = missed_ = 0;
  next_check_ = kFirstRetry;
  place_window();
}

// Places the window over most of the values, if possible: at the shift of the bins, or at the
// larger one that ignores bits that are 0 in all values, such as those of float32 or of integers.
// Zeros need no place.
void ValueCounter::place_window() {
  std::vector<Bin> bins;
  bins.reserve(total_.bins().size() + 1);
  int64_t total = 0, negative = 0;
  uint64_t bits = 0;
  for (const Bin& bin : total_.bins()) {
    const uint64_t magnitude = magnitude_of(bin.key, shift_);
    if (magnitude == 0) continue;
    negative += !(bin.key & kSignBit >> shift_);
    total += bin.count;
    bits |= magnitude;
    bins.push_back({magnitude, bin.count});
  }
  // Negative numbers were in order of falling magnitude.
  const auto by_key = [](const Bin& a, const Bin& b) { return a.key < b.key; };
  const auto positive = bins.begin() + negative;
  std::reverse(bins.begin(), positive);
  std::inplace_merge(bins.begin(), positive, bins.end(), by_key);
  const int64_t enough = total / 100 * kUsefulShare;
  // The places of a shift of 32 or more are found in less time.
  const int larger = bits == 0 ? shift_ : shift_ + std::countr_zero(bits);
  const bool prefers_larger = shift_ < 32 && larger >= 32;
  has_window_ =
      bits != 0 && ((prefers_larger && place_window_at(larger, bins, enough)) ||
                    place_window_at(shift_, bins, enough) || place_window_at(larger, bins, enough));
  if (has_window_) counts_.resize(window_.counts());
}

// Places the window at a shift where it contains most of the values of bins, whose keys are
// magnitudes. Returns false if that is not enough.
bool ValueCounter::place_window_at(int shift, const std::vector<Bin>& bins, int64_t enough) {
  const int drop = shift - shift_;
  int64_t inside = 0, most = -1;
  uint64_t low = 0, high = 0;
  const uint64_t most_places = uint64_t(most_magnitudes(most_bins_));
  for (std::size_t first = 0, last = 0; last < bins.size(); ++last) {
    inside += bins[last].count;
    while ((bins[last].key >> drop) - (bins[first].key >> drop) >= most_places) {
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
  const uint64_t margin = std::min((most_places - length) / 2, length / 2 + 32);
  window_.base = low - std::min(low, margin);
  window_.size = std::min(high + 1 + margin, end) - window_.base;
  return true;
}

Histogram ValueCounter::take() {
  flush();
  return std::exchange(total_, Histogram(most_bins_, shift_, {}));
}

void ValueCounter::reset() {
  has_window_ = knows_bins_ = false;
  shift_ = 0;
  total_ = Histogram(most_bins_);
  until_retry_ = kFirstRetry;
}

}  // namespace evenly
