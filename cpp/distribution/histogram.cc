#include "distribution/histogram.h"

#include <algorithm>
#include <bit>

#include "distribution/ordered_bits.h"

namespace evenly {
namespace {

// The number of bits to drop from the keys so that at most this many bins remain. Two neighbors
// share a bin when all bits are dropped up to the highest in which they differ.
int bits_to_drop(const std::vector<Bin>& bins, int64_t most) {
  int64_t merged_at[65] = {};
  for (std::size_t i = 1; i < bins.size(); ++i) {
    ++merged_at[std::bit_width(bins[i - 1].key ^ bins[i].key)];
  }
  int bits = 0;
  for (int64_t occupied = int64_t(bins.size()); occupied > most;) occupied -= merged_at[++bits];
  return bits;
}

// The first bin from a key on, of constant or variable bins.
template <class Bins>
auto find(Bins& bins, uint64_t key) {
  return std::lower_bound(bins.begin(), bins.end(), key,
                          [](const Bin& bin, uint64_t wanted) { return bin.key < wanted; });
}

}  // namespace

Histogram::Histogram(int64_t most_bins, int shift, std::vector<Bin> bins)
    : most_bins_(most_bins), shift_(shift), bins_(std::move(bins)) {
  shrink();
}

void Histogram::drop_bits(int bits) {
  if (bits == 0) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const Bin bin{bins_[i].key >> bits, bins_[i].count};
    if (kept > 0 && bins_[kept - 1].key == bin.key) {
      bins_[kept - 1].count += bin.count;
    } else {
      bins_[kept++] = bin;
    }
  }
  bins_.resize(kept);
  shift_ += bits;
}

void Histogram::shrink() {
  if (int64_t(bins_.size()) > most_bins_) drop_bits(bits_to_drop(bins_, most_bins_));
}

void Histogram::limit(int64_t most_bins) {
  most_bins_ = std::min(most_bins_, most_bins);
  shrink();
}

void Histogram::add(const Histogram& other) {
  const int shift = std::max(shift_, other.shift_);
  const int ours = shift - shift_, theirs = shift - other.shift_;
  std::vector<Bin> sum;
  sum.reserve(bins_.size() + other.bins_.size());
  auto a = bins_.begin();
  auto b = other.bins_.begin();
  while (a != bins_.end() || b != other.bins_.end()) {
    if (b == other.bins_.end() || (a != bins_.end() && a->key >> ours <= b->key >> theirs)) {
      append_bin(sum, a->key >> ours, a->count);
      ++a;
    } else {
      append_bin(sum, b->key >> theirs, b->count);
      ++b;
    }
  }
  bins_ = std::move(sum);
  shift_ = shift;
  limit(other.most_bins_);
}

void Histogram::add(double value, int64_t count) {
  if (count > 0) add(Histogram(most_bins_, 0, {{ordered_bits(value), count}}));
}

bool Histogram::knows(const Histogram& other) const {
  if (other.shift_ > shift_ || other.most_bins_ < most_bins_) return false;
  return std::all_of(other.bins_.begin(), other.bins_.end(), [&](const Bin& bin) {
    const uint64_t key = bin.key >> (shift_ - other.shift_);
    auto found = find(bins_, key);
    return found != bins_.end() && found->key == key;
  });
}

void Histogram::add_known(const Histogram& other) noexcept {
  const int shift = shift_ - other.shift_;
  for (const Bin& bin : other.bins_) find(bins_, bin.key >> shift)->count += bin.count;
}

void Histogram::subtract_known(const Histogram& other) noexcept {
  const int shift = shift_ - other.shift_;
  for (const Bin& bin : other.bins_) find(bins_, bin.key >> shift)->count -= bin.count;
}

bool Histogram::subtract(const Histogram& other) {
  Histogram rest = *this, less = other;
  rest.drop_bits(std::max(shift_, other.shift_) - shift_);
  less.drop_bits(rest.shift_ - other.shift_);
  for (const Bin& bin : less.bins_) {
    auto found = find(rest.bins_, bin.key);
    if (found == rest.bins_.end() || found->key != bin.key || found->count < bin.count)
      return false;
    found->count -= bin.count;
  }
  std::erase_if(rest.bins_, [](const Bin& bin) { return bin.count == 0; });
  if (rest.bins_.empty()) rest.shift_ = 0;
  rest.limit(other.most_bins_);
  *this = std::move(rest);
  return true;
}

bool Histogram::is_possible(int64_t count, double min, double max) const {
  if (most_bins_ < kMinBins || most_bins_ > kMaxBins || shift_ < 0 || shift_ > 63) return false;
  if (int64_t(bins_.size()) > most_bins_) return false;
  int64_t total = 0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    if (bins_[i].count <= 0 || __builtin_add_overflow(total, bins_[i].count, &total)) return false;
    if (i > 0 && bins_[i - 1].key >= bins_[i].key) return false;
  }
  if (total != count) return false;
  return bins_.empty() || (bins_.front().key >= ordered_bits(min) >> shift_ &&
                           bins_.back().key <= ordered_bits(max) >> shift_);
}

}  // namespace evenly
