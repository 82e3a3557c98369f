#include "distribution/sort_keys.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>

namespace evenly {
namespace {

using Keys = std::span<uint64_t>;

constexpr int kDigitBits = 11, kDigits = 3;
constexpr int kUpperShift = 64 - kDigits * kDigitBits;
// For fewer keys, the tables of a radix sort cost more than they save.
constexpr std::size_t kFewKeys = 256;

uint64_t digit_of(uint64_t key, int at) { return key >> at & ((1 << kDigitBits) - 1); }

// Sorts keys by the digits from bit `shift` on, the lowest first; `scratch` is at least as long.
void sort_by_digits(Keys keys, Keys scratch, int shift) {
  std::array<std::array<uint32_t, 1 << kDigitBits>, kDigits> starts{};
  for (uint64_t key : keys) {
    for (int i = 0; i < kDigits; ++i) ++starts[i][digit_of(key, shift + i * kDigitBits)];
  }
  Keys from = keys, to = scratch.first(keys.size());
  for (int i = 0; i < kDigits; ++i) {
    const int at = shift + i * kDigitBits;
    auto& start = starts[i];
    if (start[digit_of(from[0], at)] == keys.size()) continue;  // the same in all keys
    std::exclusive_scan(start.begin(), start.end(), start.begin(), 0u);
    for (uint64_t key : from) to[start[digit_of(key, at)]++] = key;
    std::swap(from, to);
  }
  if (from.data() != keys.data()) std::copy(from.begin(), from.end(), keys.begin());
}

// Sorts keys whose upper digits are the same.
void sort_lower_digits(Keys keys, Keys scratch) {
  if (keys.size() < kFewKeys) {
    std::ranges::sort(keys);
  } else {
    sort_by_digits(keys, scratch, 0);
  }
}

std::vector<Bin> count_keys(Keys keys, int shift) {
  std::vector<Bin> bins;
  bins.reserve(keys.size());
  for (uint64_t key : keys) append_bin(bins, key >> shift, 1);
  return bins;
}

}  // namespace

// The lower digits matter only if the upper ones do not occupy more bins than there may be, which
// is seldom.
Histogram histogram_of(std::vector<uint64_t>& keys, int64_t most_bins) {
  if (keys.size() < kFewKeys) {
    std::ranges::sort(keys);
    return Histogram(most_bins, 0, count_keys(keys, 0));
  }
  std::vector<uint64_t> scratch(keys.size());
  sort_by_digits(keys, scratch, kUpperShift);
  std::vector<Bin> bins = count_keys(keys, kUpperShift);
  if (int64_t(bins.size()) > most_bins) return Histogram(most_bins, kUpperShift, std::move(bins));
  std::size_t first = 0;
  for (const Bin& bin : bins) {
    sort_lower_digits(Keys(keys).subspan(first, std::size_t(bin.count)), scratch);
    first += std::size_t(bin.count);
  }
  return Histogram(most_bins, 0, count_keys(keys, 0));
}

}  // namespace evenly
