// What the kernels for weighted sums work on: a tile of up to 256 rows of doubles and their
// weights. See README.md, "Weights".
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace evenly {

// A lane's sums are in levels, each a multiple of a unit of its own: 2^-42 of the largest value
// that its first one can meet, and from there 2^-42 of the one before. So a double of which what is
// left is passed on from level to level is added without rounding.
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
  const double* weights;  // one a row, or one a value
  bool one_a_row;
  int rows;
  int lanes;  // the first ones, of which whole registers are computed
};

// Of each lane's values, without NaN; of none: 0, infinity, infinity, -infinity.
struct alignas(64) WeightedExtremes {
  double largest[kWeightedLanes], smallest[kWeightedLanes];  // |x|, without 0
  double min[kWeightedLanes], max[kWeightedLanes];
};

// Writes rows of `count` values as doubles, kWeightedLanes apart; each begins at an offset of its
// own.
template <class T>
using WidenKernel = void (*)(const T* data, const int64_t* offsets, int rows, int64_t count,
                             double* to);
inline constexpr int kRowsAhead = 16;  // that are fetched before they are widened

using WeightedSum = uint32_t(const WeightedTile& tile, Prefetch prefetch,
                             const WeightedLevels& bias, WeightedLevels& sums);

struct WeightedKernels {
  WidenKernel<float> widen_float32;
  WidenKernel<double> widen_float64;
  WidenKernel<Float16> widen_float16;
  WidenKernel<BFloat16> widen_bfloat16;
  // Returns the lanes with a NaN.
  uint32_t (*extremes)(const WeightedTile& tile, WeightedExtremes& extremes);
  // Sums the tile, NaN as 0, from the biases on, and fetches what is ahead; returns the lanes that
  // need more levels. The first is for values whose squares are doubles.
  WeightedSum *sums_of_short, *sums;
};

}  // namespace evenly
