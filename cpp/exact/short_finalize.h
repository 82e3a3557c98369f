// Mean and standard deviation of columns whose sums have few limbs, as nearly all sums do.
//
// The numbers are those of finalize_any, bit for bit, from the same integers: the sum divided by
// the count, and count * squares - sum^2. They are held in arrays of a fixed size, and the division
// multiplies by the inverse of the count, which is computed once for all columns of this count.
#pragma once

#include <cstdint>

#include "exact/finalize.h"
#include "exact/root_of_ratio.h"

namespace evenly {

class ShortFinalizer {
 public:
  ShortFinalizer(int64_t correction, bool inverse) : correction_(correction), inverse_(inverse) {}

  // Returns false, for finalize_any to decide, if the sums are long, far from 1, or inconsistent,
  // or if the rounding is uncertain.
  bool operator()(const Column& column, Statistics& statistics);

 private:
  void set_count(int64_t count);
  bool compute_mean(const ExactSum& sum, Statistics& statistics) const;
  bool compute_factor(const ExactSum& sum, const ExactSum& squares, Statistics& statistics) const;

  int64_t correction_;
  bool inverse_;
  int64_t count_ = 0;
  // The count times 2^shift_, which is in [2^63, 2^64), and floor((2^128 - 1) / divisor_) - 2^64.
  uint64_t divisor_ = 0, reciprocal_ = 0;
  int shift_ = 0;
  Double2 variance_divisor_{};  // count * (count - correction)
};

}  // namespace evenly
