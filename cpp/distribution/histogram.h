// The distribution of a column: counts of values in bins that depend only on the set of values.
//
// A bin holds the values whose ordered bits agree but for the lowest `shift` bits. The shift is the
// smallest for which at most `most_bins` bins are occupied. More values occupy more bins, and a
// larger shift fewer; so the shift and all counts follow from the values alone: they are the same
// for any order, any split and any way of counting.
#pragma once

#include <cstdint>
#include <vector>

namespace evenly {

struct Bin {
  uint64_t key;  // ordered bits >> shift
  int64_t count;
  bool operator==(const Bin&) const = default;
};

constexpr int64_t kMinBins = 2, kMaxBins = 65'536;

class Histogram {
 public:
  explicit Histogram(int64_t most_bins) : most_bins_(most_bins) {}
  // Bins in ascending order of their keys, each once, with positive counts.
  Histogram(int64_t most_bins, int shift, std::vector<Bin> bins);

  int64_t most_bins() const { return most_bins_; }
  int shift() const { return shift_; }
  const std::vector<Bin>& bins() const { return bins_; }
  std::size_t heap_bytes() const { return bins_.capacity() * sizeof(Bin); }

  // Adds another histogram. The result has the smaller number of bins of both.
  void add(const Histogram& other);
  void add(double value, int64_t count);
  // Whether all bins of `other` are bins of this one, so that add_known() can add them in place.
  bool knows(const Histogram& other) const;
  void add_known(const Histogram& other) noexcept;
  void subtract_known(const Histogram& other) noexcept;
  // Subtracts exact counts, at the larger shift of both. Returns false and changes nothing if a
  // count would become negative.
  bool subtract(const Histogram& other);
  void limit(int64_t most_bins);
  // Whether these are the counts of `count` values between min and max.
  bool is_possible(int64_t count, double min, double max) const;

 private:
  void drop_bits(int bits);
  void shrink();

  int64_t most_bins_;
  int shift_ = 0;
  std::vector<Bin> bins_;
};

// Appends a bin whose key is the last one or a larger one.
inline void append_bin(std::vector<Bin>& bins, uint64_t key, int64_t count) {
  if (!bins.empty() && bins.back().key == key) {
    bins.back().count += count;
  } else {
    bins.push_back({key, count});
  }
}

}  // namespace evenly
