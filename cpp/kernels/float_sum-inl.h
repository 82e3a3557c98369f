// Sums a tile of floating-point values. For the proof that nothing is rounded see
// docs/exact-arithmetic.md.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/simd.h"
#include "kernels/tile.h"

namespace evenly {
namespace {

// x*x = p + e exactly.
inline void exact_square(Full<double> x, Full<double>& p, Full<double>& e) {
  p = x * x;
  if constexpr (kHasFma) {
    e = fused_less(x, x, p);
  } else {
    // Dekker, "A floating-point technique for extending the available precision", Numerische
    // Mathematik 18 (1971): splits x into halves of 26 bits.
    Full<double> c = x * 134217729.0;
    Full<double> high = c - (c - x), low = x - high;
    e = ((high * high - p) + (high * low + high * low)) + low * low;
  }
}

// x + y on the multiply units, with the same bits. Zen has two add and two multiply units; with all
// additions on the former, a register of float64 keeps those busy for 12 cycles and the latter for
// 2, and a core sums 15 GB/s from its cache instead of 22.
inline Full<double> sum_by_multiplier(Full<double> x, Full<double> y) {
  if constexpr (kHasFma) {
    return fused(x, splat<Full<double>>(1.0), y);
  } else {
    return x + y;
  }
}

// Adds value, rounded to the grid given by the bias of acc, and returns the remainder. `total` must
// be acc + value.
inline Full<double> deposit(Full<double>& acc, Full<double> total, Full<double> value) {
  Full<double> rounded = total - acc;
  acc = total;
  return value - rounded;
}

// The sums of kVectorBytes / 8 lanes, one register per part.
template <class C>
struct Sums;

template <>
struct Sums<float> {
  Full<double> part[kSumParts<float>];

  void add(Full<double> x) {
    auto& [sum, square, low] = part;
    sum = sum_by_multiplier(sum, x);
    if constexpr (kHasFma) {
      Full<double> total = fused(x, x, square);
      Full<double> rounded = total - square;
      square = total;
      low += fused_less(x, x, rounded);
    } else {
      Full<double> p = x * x;  // exact for a float32
      low += deposit(square, square + p, p);
    }
  }
};

template <>
struct Sums<double> {
  Full<double> part[kSumParts<double>];

  void add(Full<double> x) {
    auto& [sum, square, square_low, sum_low, error, error_low] = part;
    Full<double> p, e;
    exact_square(x, p, e);
    sum_low = sum_by_multiplier(sum_low, deposit(sum, sum_by_multiplier(sum, x), x));
    square_low = sum_by_multiplier(square_low, deposit(square, square + p, p));
    error_low = sum_by_multiplier(error_low, deposit(error, error + e, e));
  }
};

template <class C>
inline void load_parts(Sums<C>& sums, const double (*part)[kLanes<C>], int lane) {
  for (int i = 0; i < kSumParts<C>; ++i) sums.part[i] = load<Full<double>>(part[i] + lane);
}
template <class C>
inline void store_parts(const Sums<C>& sums, double (*part)[kLanes<C>], int lane) {
  for (int i = 0; i < kSumParts<C>; ++i) store(part[i] + lane, sums.part[i]);
}

// Calls function(std::integral_constant<int, part>) for each part.
template <class C, class Function>
void for_parts(Function&& function) {
  [&]<int... kPart>(std::integer_sequence<int, kPart...>) {
    (function(std::integral_constant<int, kPart>()), ...);
  }(std::make_integer_sequence<int, kSumParts<C>>());
}

// A part's bias, and 1 / its unit, from 2^top.
constexpr double power(double two_to_top, int tops) {
  return tops == 1 ? two_to_top : two_to_top * two_to_top;
}
template <class C, int kPart>
double bias_of(double two_to_top) {
  constexpr PartUnit unit = kPartUnits<C>[kPart];
  constexpr double factor = unit.bias * power_of_two(52 - unit.below);
  return unit.bias == 0 ? 0 : factor * power(two_to_top, unit.tops);
}
template <class C, int kPart>
double per_unit(double two_to_top) {
  constexpr PartUnit unit = kPartUnits<C>[kPart];
  constexpr double factor = power_of_two(unit.below);
  uint64_t reciprocal = (uint64_t(2046) << 52) - std::bit_cast<uint64_t>(two_to_top);
  return factor * power(std::bit_cast<double>(reciprocal), unit.tops);
}

template <class C>
void start_tile(const FloatLanes<C>& lanes, bool skip_nan, FloatSums<C>& sums) {
  for_parts<C>([&](auto part) {
    for (int i = 0; i < kLanes<C>; ++i) {
      sums.part[part][i] = bias_of<C, part>(lanes.two_to_top[i]);
    }
  });
  std::fill_n(sums.min, kLanes<C>, std::numeric_limits<C>::infinity());
  std::fill_n(sums.max, kLanes<C>, -std::numeric_limits<C>::infinity());
  std::fill_n(sums.smallest, kLanes<C>, ~typename Window<C>::Bits(0));
  if (skip_nan) std::fill_n(sums.missing, kLanes<C>, 0);
}

template <class T>
Full<ComputeType<T>> values(const T* from) {
  if constexpr (std::is_same_v<T, double>) {
    return doubles(from);
  } else {
    return floats(from);
  }
}

// Sums kVectorsAtOnce registers of every row, with all sums in registers.
template <class T, bool kSkipNan>
inline void sum_lanes(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch, int lane,
                      FloatSums<ComputeType<T>>& sums) {
  using C = ComputeType<T>;
  using Bits = typename Window<C>::Bits;
  constexpr int kWide = kVectorBytes / int(sizeof(C));  // lanes per register of C
  constexpr int kDoubles = kVectorBytes / 8;
  constexpr int kHalves = int(sizeof(double) / sizeof(C));  // registers of double per register of C
  constexpr int kSweeps = kLanes<C> / (kVectorsAtOnce * kWide);
  Sums<C> parts[kVectorsAtOnce][kHalves];
  Full<C> min[kVectorsAtOnce], max[kVectorsAtOnce];
  Full<Bits> smallest[kVectorsAtOnce], missing[kVectorsAtOnce];
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    int at = lane + v * kWide;
    min[v] = load<Full<C>>(sums.min + at);
    max[v] = load<Full<C>>(sums.max + at);
    smallest[v] = load<Full<Bits>>(sums.smallest + at);
    if constexpr (kSkipNan) missing[v] = load<Full<Bits>>(sums.missing + at);
    for (int h = 0; h < kHalves; ++h) load_parts(parts[v][h], sums.part, at + h * kDoubles);
  }
  for (int r = 0; r < rows; ++r) {
    const T* row = data + r * stride + lane;
    if (prefetch && r % kSweeps == 0) prefetch->fetch();
#pragma GCC unroll 2
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      Full<C> x = values(row + v * kWide);
      min[v] = lane_min(x, min[v]);
      max[v] = lane_max(x, max[v]);
      // Zero wraps to the largest integer, so the minimum is that of the smallest nonzero value.
      // NaN gives a larger integer than any number.
      Full<Bits> bits = (Full<Bits>)x;
      smallest[v] = lane_min(bits + bits - 1, smallest[v]);
      if constexpr (kSkipNan) missing[v] -= (Full<Bits>)(x != x);
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        Full<double> d = doubles(row + v * kWide + h * kDoubles);
        if constexpr (kSkipNan) d = (Full<double>)((Full<int64_t>)d & (Full<int64_t>)(d == d));
        parts[v][h].add(d);
      }
    }
  }
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    int at = lane + v * kWide;
    store(sums.min + at, min[v]);
    store(sums.max + at, max[v]);
    store(sums.smallest + at, smallest[v]);
    if constexpr (kSkipNan) store(sums.missing + at, missing[v]);
    for (int h = 0; h < kHalves; ++h) store_parts(parts[v][h], sums.part, at + h * kDoubles);
  }
}

template <class T>
void sum_rows(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch, bool skip_nan,
              FloatSums<ComputeType<T>>& sums) {
  using C = ComputeType<T>;
  constexpr int kStep = kVectorsAtOnce * kVectorBytes / int(sizeof(C));
  for (int lane = 0; lane < kLanes<C>; lane += kStep) {
    if (skip_nan) {
      sum_lanes<T, true>(data, stride, rows, prefetch, lane, sums);
    } else {
      sum_lanes<T, false>(data, stride, rows, prefetch, lane, sums);
    }
  }
}

template <class C>
constexpr LaneMask all_lanes() {
  return (LaneMask(1) << kLanes<C>)-1;
}
inline bool has_lane(LaneMask lanes, int lane) { return lanes >> lane & 1; }

// The lanes with a value outside of the window, or with a NaN that was not skipped.
template <class C>
LaneMask lanes_outside(const FloatLanes<C>& lanes, const FloatSums<C>& sums) {
  using Bits = typename Window<C>::Bits;
  constexpr int kWide = kVectorBytes / int(sizeof(C));
  alignas(64) Bits outside[kLanes<C>];
  Full<Bits> any{};
  for (int i = 0; i < kLanes<C>; i += kWide) {
    auto max = load<Full<C>>(sums.max + i), min = load<Full<C>>(sums.min + i);
    auto largest = load<Full<C>>(lanes.largest + i);
    auto smallest = load<Full<Bits>>(sums.smallest + i),
         limit = load<Full<Bits>>(lanes.smallest + i);
    Full<Bits> inside = (Full<Bits>)(max <= largest) & (Full<Bits>)(-min <= largest) &
                        (Full<Bits>)(smallest >= limit);
    store(outside + i, ~inside);
    any |= ~inside;
  }
  // A NaN persists in the sum. (So does an overflow, but that lane is marked already.)
  Full<int64_t> poisoned{};
  for (int i = 0; i < kLanes<C>; i += kVectorBytes / 8) {
    auto sum = load<Full<double>>(sums.part[kSumHigh] + i);
    poisoned |= sum != sum;
  }
  Bits marks = 0;
  for (int i = 0; i < kWide; ++i) marks |= any[i];
  for (int i = 0; i < kVectorBytes / 8; ++i) marks |= Bits(poisoned[i]);
  if (marks == 0) return 0;
  LaneMask mask = 0;
  for (int i = 0; i < kLanes<C>; ++i) {
    double sum = sums.part[kSumHigh][i];
    mask |= LaneMask(outside[i] != 0 || sum != sum) << i;
  }
  return mask;
}

template <class C>
LaneMask finish_tile(const FloatSums<C>& sums, LaneMask commit, bool skip_nan,
                     FloatLanes<C>& lanes) {
  LaneMask failed = lanes_outside(lanes, sums) & commit, good = commit & ~failed;
  bool all = good == all_lanes<C>();  // nearly always; no lane needs a test then
  for_parts<C>([&](auto part) {
    for (int i = 0; i < kLanes<C>; ++i) {
      double sum = sums.part[part][i] - bias_of<C, part>(lanes.two_to_top[i]);
      int64_t units = int64_t(sum * per_unit<C, part>(lanes.two_to_top[i]));
      lanes.parts[part][i] += all || has_lane(good, i) ? units : 0;
    }
  });
  for (int i = 0; skip_nan && i < kLanes<C>; ++i) {
    if (all || has_lane(good, i)) lanes.missing[i] += int64_t(sums.missing[i]);
  }
  for (int i = 0; i < kLanes<C>; ++i) {
    if (!all && !has_lane(good, i)) continue;
    lanes.min[i] = sums.min[i] < lanes.min[i] ? sums.min[i] : lanes.min[i];
    lanes.max[i] = sums.max[i] > lanes.max[i] ? sums.max[i] : lanes.max[i];
  }
  return failed;
}

}  // namespace
}  // namespace evenly
