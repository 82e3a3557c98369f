// Sums a tile of doubles with weights.
#pragma once

#include <limits>

#include "kernels/float_sum-inl.h"
#include "kernels/simd.h"
#include "kernels/tile.h"
#include "kernels/weighted_kernels.h"

namespace evenly {
namespace {

constexpr int kDoublesWide = kVectorBytes / 8;

// Adds the largest multiple of each level's unit to three successive levels; returns the remainder.
inline Full<double> deposit(Full<double>* levels, Full<double> value) {
  for (int i = 0; i < 3; ++i) value = deposit(levels[i], levels[i] + value, value);
  return value;
}

template <class T>
void widen_rows(const T* data, const int64_t* offsets, int rows, int64_t count, double* to) {
  for (int row = 0; row < rows; ++row, to += kWeightedLanes) {
    const T* from = data + offsets[row];
    if (row + kRowsAhead < rows) __builtin_prefetch(data + offsets[row + kRowsAhead]);
    int64_t i = 0;
    for (; i + kDoublesWide <= count; i += kDoublesWide) store(to + i, doubles(from + i));
    for (; i < count; ++i) to[i] = double(to_number(from[i]));
  }
}

inline uint32_t lanes_of(Full<int64_t> mask, int first) {
  uint32_t lanes = 0;
  for (int i = 0; i < kDoublesWide; ++i) lanes |= uint32_t(mask[i] != 0) << (first + i);
  return lanes;
}

inline uint32_t weighted_extremes(const WeightedTile& tile, WeightedExtremes& extremes) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  uint32_t with_nan = 0;
  for (int lane = 0; lane < tile.lanes; lane += kDoublesWide) {
    Full<double> largest{}, smallest = splat<Full<double>>(kInfinity), low = smallest, high = -low;
    Full<int64_t> nan{};
    const Full<int64_t> magnitude = splat<Full<int64_t>>(std::numeric_limits<int64_t>::max());
    for (int row = 0; row < tile.rows; ++row) {
      const auto x = load<Full<double>>(tile.values + row * kWeightedLanes + lane);
      const auto size = (Full<double>)((Full<int64_t>)x & magnitude);
      nan |= (Full<int64_t>)(x != x);
      low = lane_min(x, low);
      high = lane_max(x, high);
      largest = lane_max(size, largest);
      smallest = lane_min(x == 0 ? splat<Full<double>>(kInfinity) : size, smallest);
    }
    store(extremes.largest + lane, largest);
    store(extremes.smallest + lane, smallest);
    store(extremes.min + lane, low);
    store(extremes.max + lane, high);
    with_nan |= lanes_of(nan, lane);
  }
  return with_nan;
}

template <bool kShort>
uint32_t weighted_sums(const WeightedTile& tile, Prefetch prefetch, const WeightedLevels& bias,
                       WeightedLevels& sums) {
  using Bits = Full<int64_t>;
  uint32_t failed = 0;
  for (int lane = 0; lane < tile.lanes; lane += kDoublesWide) {
    Full<double> sum[kSumLevels], squares[kSquareLevels];
    for (int i = 0; i < kSumLevels; ++i) sum[i] = load<Full<double>>(bias.sum[i] + lane);
    for (int i = 0; i < kSquareLevels; ++i) squares[i] = load<Full<double>>(bias.squares[i] + lane);
    Bits rest{};
    for (int row = 0; row < tile.rows; ++row) {
      if (lane == 0) prefetch.fetch();
      auto x = load<Full<double>>(tile.values + row * kWeightedLanes + lane);
      x = (Full<double>)((Bits)x & (Bits)(x == x));
      const auto weight = tile.one_a_row
                              ? splat<Full<double>>(tile.weights[row])
                              : load<Full<double>>(tile.weights + row * kWeightedLanes + lane);
      const Full<double> product = weight * x, error = fused_less(weight, x, product);
      rest |= (Bits)deposit(sum, product) | (Bits)deposit(sum + 1, error);
      const Full<double> square = x * x;
      const Full<double> high = weight * square, high_error = fused_less(weight, square, high);
      rest |= (Bits)deposit(squares, high) | (Bits)deposit(squares + 1, high_error);
      if constexpr (!kShort) {
        const Full<double> square_error = fused_less(x, x, square);
        const Full<double> low = weight * square_error,
                           low_error = fused_less(weight, square_error, low);
        rest |= (Bits)deposit(squares + 1, low) | (Bits)deposit(squares + 2, low_error);
      }
    }
    for (int i = 0; i < kSumLevels; ++i)
      store(sums.sum[i] + lane, sum[i] - load<Full<double>>(bias.sum[i] + lane));
    for (int i = 0; i < kSquareLevels; ++i)
      store(sums.squares[i] + lane, squares[i] - load<Full<double>>(bias.squares[i] + lane));
    failed |= lanes_of(rest << 1, lane);  // a remainder of -0 is none
  }
  return failed;
}

// Null without a fused multiply-add, which computes the error of a product.
constexpr WeightedKernels make_weighted_kernels() {
  if constexpr (!kHasFma) return {};
  return {widen_rows<float>, widen_rows<double>,  widen_rows<Float16>, widen_rows<BFloat16>,
          weighted_extremes, weighted_sums<true>, weighted_sums<false>};
}

}  // namespace
}  // namespace evenly
