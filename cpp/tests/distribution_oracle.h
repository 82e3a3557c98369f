// Histograms by their definition: sorted values, and the first shift with few enough bins.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "distribution/histogram.h"
#include "distribution/ordered_bits.h"

namespace evenly::testing {

class DistributionOracle {
 public:
  void add(double value, int64_t count = 1) {
    if (std::isfinite(value) && count > 0) values_.push_back({ordered_bits(value), count});
  }
  void add(const DistributionOracle& other) {
    values_.insert(values_.end(), other.values_.begin(), other.values_.end());
  }
  std::vector<Bin> bins(int shift) const { return merge(sorted(), shift); }
  bool equals(const Histogram& histogram) const {
    const std::vector<Bin> values = sorted();
    int shift = 0;
    std::vector<Bin> bins = merge(values, shift);
    while (int64_t(bins.size()) > histogram.most_bins()) bins = merge(values, ++shift);
    return histogram.shift() == shift && histogram.bins() == bins;
  }

 private:
  std::vector<Bin> sorted() const {
    std::vector<Bin> values = values_;
    std::ranges::sort(values, {}, &Bin::key);
    return values;
  }
  // Adds the counts of neighbors whose keys are the same after the shift.
  static std::vector<Bin> merge(const std::vector<Bin>& sorted, int shift) {
    std::vector<Bin> bins;
    for (auto [key, count] : sorted) {
      if (bins.empty() || bins.back().key != key >> shift) bins.push_back({key >> shift, 0});
      bins.back().count += count;
    }
    return bins;
  }

  std::vector<Bin> values_;
};

}  // namespace evenly::testing
