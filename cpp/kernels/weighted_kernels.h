// The data of the kernels for weighted sums: a tile of up to 256 rows of doubles and their weights.
// See docs/exact-arithmetic.md, "Weights".
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace evenly {

// The sums of a lane are split into levels with one unit each: 2^-42 of the bound of the values at
// the first level, and then 2^-42 of the previous unit. A double is added without rounding by
// passing its remainder from level to level.
inline constexpr int kLevelBits = 42;
inline constexpr int kSumLevels = 4, kSquareLevels = 5;
inline constexpr int kWeightedLanes = 16;

struct Prefetch;

struct alignas(64) WeightedLevels {
  double sum[kSumLevels][kWeightedLanes];         // of weight * x
  double squares[kSquareLevels][kWeightedLanes];  // of weight * x * x
};

struct WeightedTile {
  const double* values;   // rows of kWeightedLanes
  const double* weights;  // one per row, or one per value
  bool one_a_row;
  int rows;
  int lanes;  // the number of leading lanes; whole registers are computed
};

// The extremes of each lane's values, without NaN; of no values: 0, infinity, infinity, -infinity.
struct alignas(64) WeightedExtremes {
  double largest[kWeightedLanes], smallest[kWeightedLanes];  // of the nonzero |x|
  double min[kWeightedLanes], max[kWeightedLanes];
};

// Writes rows of `count` values as doubles, kWeightedLanes apart; offsets[i] is where row i starts.
template <class T>
using WidenKernel = void (*)(const T* data, const int64_t* offsets, int rows, int64_t count,
                             double* to);
inline constexpr int kRowsAhead = 16;  // prefetched before they are widened

using WeightedSum = uint32_t(const WeightedTile& tile, Prefetch prefetch,
                             const WeightedLevels& bias, WeightedLevels& sums);

struct WeightedKernels {
  WidenKernel<float> widen_float32;
  WidenKernel<double> widen_float64;
  WidenKernel<Float16> widen_float16;
  WidenKernel<BFloat16> widen_bfloat16;
  // Returns the lanes with a NaN.
  uint32_t (*extremes)(const WeightedTile& tile, WeightedExtremes& extremes);
  // Sums the tile, with NaN as 0, starting from the biases, and prefetches; returns the lanes that
  // need more levels. sums_of_short is for values whose squares are doubles.
  WeightedSum *sums_of_short, *sums;
};

}  // namespace evenly
