// Sums one column, one value at a time.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "sum/infinity_policy.h"
#include "sum/scalar_sum.h"

namespace evenly {

// Adds rows, each with an optional weight, to one column.
class ScalarColumn {
 public:
  template <class Number>
  void add(Number x, const double* weight, InfinityPolicy& infinity) {
    if (weight && *weight == 0) return;
    Scaled w = weight ? scaled(*weight) : Scaled{1, 0};
    if constexpr (std::is_floating_point_v<Number>) {
      bool infinite = std::abs(x) > std::numeric_limits<Number>::max();
      infinity.seen |= infinite;
      if (infinite || x != x) return missing_.add(w.mantissa, w.exponent);
    }
    count_.add(w.mantissa, w.exponent);
    if (weight) {
      add_weighted_sums(column_, w, x);
      column_.include(extreme_value_of_number(x));
    } else {
      add_scalar(column_, x);
    }
  }
  void add_missing(const double* weight) {
    Scaled w = weight ? scaled(*weight) : Scaled{1, 0};
    missing_.add(w.mantissa, w.exponent);
  }
  Column take() {
    column_.add_count(count_);
    column_.add_missing(missing_);
    return std::move(column_);
  }

 private:
  Column column_;
  ExactSum count_, missing_;
};

}  // namespace evenly
