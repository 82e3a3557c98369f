// Histograms by their definition: a map of values, and the first shift with few enough bins.
#pragma once

#include <cmath>
#include <map>

#include "distribution/histogram.h"
#include "distribution/ordered_bits.h"

namespace evenly::testing {

class DistributionOracle {
 public:
  void add(double value, int64_t count = 1) {
    if (std::isfinite(value) && count > 0) counts_[ordered_bits(value)] += count;
  }
  void add(const DistributionOracle& other) {
    for (auto [key, count] : other.counts_) counts_[key] += count;
  }
  std::vector<Bin> bins(int shift) const {
    std::map<uint64_t, int64_t> merged;
    for (auto [key, count] : counts_) merged[key >> shift] += count;
    std::vector<Bin> bins;
    for (auto [key, count] : merged) bins.push_back({key, count});
    return bins;
  }
  int shift(int64_t most_bins) const {
    int shift = 0;
    while (int64_t(bins(shift).size()) > most_bins) ++shift;
    return shift;
  }
  bool equals(const Histogram& histogram) const {
    const int expected = shift(histogram.most_bins());
    return histogram.shift() == expected && histogram.bins() == bins(expected);
  }

 private:
  std::map<uint64_t, int64_t> counts_;
};

}  // namespace evenly::testing
