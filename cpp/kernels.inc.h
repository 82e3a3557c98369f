// The kernels, written once; each kernels_*.cc compiles this file for its instruction set.
#pragma once

#include <algorithm>
#include <limits>

#include "simd.h"
#include "tile.h"

namespace evenly {
namespace {

// x*x without rounding: p + e.
inline void exact_square(Full<double> x, Full<double>& p, Full<double>& e) {
  p = x * x;
  if constexpr (kHasFma) {
    e = fused_less(x, x, p);
  } else {
    // Dekker, "A floating-point technique for extending the available precision",
    // Numerische Mathematik 18 (1971): split into halves of 26 bits.
    Full<double> c = x * 134217729.0;
    Full<double> high = c - (c - x), low = x - high;
    e = ((high * high - p) + (high * low + high * low)) + low * low;
  }
}

// Rounds value to the grid that acc's bias gives it, adds that to acc, returns the rest.
inline Full<double> deposit(Full<double>& acc, Full<double> value) {
  Full<double> total = acc + value;
  Full<double> rounded = total - acc;
  acc = total;
  return value - rounded;
}

// The sums of kVectorBytes / 8 lanes, a register a part.
template <class C>
struct Sums;

template <>
struct Sums<float> {
  Full<double> part[kParts<float>];

  void add(Full<double> x) {
    auto& [sum, square, low] = part;
    sum += x;
    if constexpr (kHasFma) {
      Full<double> total = fused(x, x, square);
      Full<double> rounded = total - square;
      square = total;
      low += fused_less(x, x, rounded);
    } else {
      low += deposit(square, x * x);  // a float32's square is exact in float64
    }
  }
};

template <>
struct Sums<double> {
  Full<double> part[kParts<double>];

  void add(Full<double> x) {
    auto& [sum, square, square_low, sum_low, error, error_low] = part;
    sum_low += deposit(sum, x);
    Full<double> p, e;
    exact_square(x, p, e);
    square_low += deposit(square, p);
    error_low += deposit(error, e);
  }
};

template <class C>
inline void load_parts(Sums<C>& sums, const double (*part)[kLanes<C>], int lane) {
  for (int i = 0; i < kParts<C>; ++i) sums.part[i] = load<Full<double>>(part[i] + lane);
}
template <class C>
inline void store_parts(const Sums<C>& sums, double (*part)[kLanes<C>], int lane) {
  for (int i = 0; i < kParts<C>; ++i) store(part[i] + lane, sums.part[i]);
}

template <class C>
void start_tile(const FloatLanes<C>& lanes, FloatSums<C>& sums) {
  std::memcpy(sums.part, lanes.bias, sizeof sums.part);
  std::fill_n(sums.min, kLanes<C>, std::numeric_limits<C>::infinity());
  std::fill_n(sums.max, kLanes<C>, -std::numeric_limits<C>::infinity());
  std::fill_n(sums.smallest, kLanes<C>, ~typename Window<C>::Bits(0));
  std::fill_n(sums.missing, kLanes<C>, 0);
}

template <class T>
Full<Computed<T>> values(const T* from) {
  if constexpr (std::is_same_v<T, double>) {
    return doubles(from);
  } else {
    return floats(from);
  }
}

// kVectorsAtOnce registers of every row, all sums in registers.
template <class T, bool kSkipNan>
inline void sum_lanes(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, int lane,
                      FloatSums<Computed<T>>& sums) {
  using C = Computed<T>;
  using Bits = typename Window<C>::Bits;
  constexpr int kWide = kVectorBytes / int(sizeof(C));  // lanes of a register of C
  constexpr int kDoubles = kVectorBytes / 8;
  constexpr int kHalves = int(sizeof(double) / sizeof(C));  // registers of double to one of C
  Sums<C> parts[kVectorsAtOnce][kHalves];
  Full<C> min[kVectorsAtOnce], max[kVectorsAtOnce];
  Full<Bits> smallest[kVectorsAtOnce], missing[kVectorsAtOnce];
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    int at = lane + v * kWide;
    min[v] = load<Full<C>>(sums.min + at);
    max[v] = load<Full<C>>(sums.max + at);
    smallest[v] = load<Full<Bits>>(sums.smallest + at);
    missing[v] = load<Full<Bits>>(sums.missing + at);
    for (int h = 0; h < kHalves; ++h) load_parts(parts[v][h], sums.part, at + h * kDoubles);
  }
  for (int r = 0; r < rows; ++r) {
    const T* row = data + r * stride + lane;
    if (ahead) ahead->fetch();
#pragma GCC unroll 2
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      Full<C> x = values(row + v * kWide);
      min[v] = least(x, min[v]);
      max[v] = greatest(x, max[v]);
      // Zero wraps to the largest integer: the smallest of these is that of the
      // smallest value that is not zero. A NaN's is larger than any number's.
      Full<Bits> bits = (Full<Bits>)x;
      smallest[v] = least(bits + bits - 1, smallest[v]);
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
    store(sums.missing + at, missing[v]);
    for (int h = 0; h < kHalves; ++h) store_parts(parts[v][h], sums.part, at + h * kDoubles);
  }
}

template <class T>
void sum_rows(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, bool skip_nan,
              FloatSums<Computed<T>>& sums) {
  using C = Computed<T>;
  constexpr int kStep = kVectorsAtOnce * kVectorBytes / int(sizeof(C));
  for (int lane = 0; lane < kLanes<C>; lane += kStep) {
    Ahead* fetched = lane == 0 ? ahead : nullptr;
    if (skip_nan) {
      sum_lanes<T, true>(data, stride, rows, fetched, lane, sums);
    } else {
      sum_lanes<T, false>(data, stride, rows, fetched, lane, sums);
    }
  }
}

template <class C>
constexpr LaneMask all_lanes() {
  return (LaneMask(1) << kLanes<C>) - 1;
}
inline bool counts(LaneMask lanes, int lane) { return lanes >> lane & 1; }

// The lanes in which a value lies outside of the window, or was NaN and not skipped.
template <class C>
LaneMask lanes_outside(const FloatLanes<C>& lanes, const FloatSums<C>& sums) {
  using Bits = typename Window<C>::Bits;
  constexpr int kWide = kVectorBytes / int(sizeof(C));
  alignas(64) Bits outside[kLanes<C>];
  Full<Bits> any{};
  for (int i = 0; i < kLanes<C>; i += kWide) {
    auto max = load<Full<C>>(sums.max + i), min = load<Full<C>>(sums.min + i);
    auto largest = load<Full<C>>(lanes.largest + i);
    auto smallest = load<Full<Bits>>(sums.smallest + i), limit = load<Full<Bits>>(lanes.smallest + i);
    Full<Bits> inside = (Full<Bits>)(max <= largest) & (Full<Bits>)(-min <= largest) &
                        (Full<Bits>)(smallest >= limit);
    store(outside + i, ~inside);
    any |= ~inside;
  }
  // A NaN stays in the sum. (So does what overflowed; that lane is marked already.)
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
LaneMask finish_tile(const FloatSums<C>& sums, LaneMask commit, FloatLanes<C>& lanes) {
  LaneMask failed = lanes_outside(lanes, sums) & commit, good = commit & ~failed;
  bool all = good == all_lanes<C>();  // nearly always, and then no lane needs a test
  for (int which = 0; which < kParts<C>; ++which) {
    for (int i = 0; i < kLanes<C>; ++i) {
      double part = sums.part[which][i] - lanes.bias[which][i];
      int64_t units = int64_t(part * lanes.per_unit[which][i]);
      lanes.parts[which][i] += all || counts(good, i) ? units : 0;
    }
  }
  for (int i = 0; i < kLanes<C>; ++i) {
    if (!all && !counts(good, i)) continue;
    lanes.missing[i] += int64_t(sums.missing[i]);
    lanes.min[i] = sums.min[i] < lanes.min[i] ? sums.min[i] : lanes.min[i];
    lanes.max[i] = sums.max[i] > lanes.max[i] ? sums.max[i] : lanes.max[i];
  }
  return failed;
}

// Integers of up to 16 bits are summed in 32 bits within a tile, others in 64.
template <class T>
using Wide = std::conditional_t<sizeof(T) <= 2, int32_t, int64_t>;

// The sums of the lanes that one register of W holds.
template <class T>
struct IntSums {
  using W = Wide<T>;
  using U = std::make_unsigned_t<W>;
  static constexpr int kHalf = sizeof(W) * 4;
  Full<W> sum{};
  Full<U> low{}, high{};  // of the squares: their lower and upper halves

  void add(Full<W> x) {
    sum += x;
    Full<U> square;
    if constexpr (sizeof(W) == 4) {
      square = (Full<U>)x * (Full<U>)x;
    } else {
      square = (Full<U>)multiply_low32(x, std::bool_constant<std::is_signed_v<T>>{});
    }
    if constexpr (sizeof(T) == 1) {
      low += square;  // 256 squares of 16 bits fit 32
    } else {
      low += square & ((U(1) << kHalf) - 1);
      high += square >> kHalf;
    }
  }
  void add_to(IntLanes<T>& lanes, int at, LaneMask failed) const {
    for (int i = 0; i < kVectorBytes / int(sizeof(W)); ++i) {
      if (sizeof(T) == 8 && failed >> (at + i) & 1) continue;
      lanes.sum[at + i] += int64_t(sum[i]);
      if constexpr (sizeof(W) == 4) {
        uint64_t square = uint64_t(low[i]) + (uint64_t(high[i]) << kHalf);
        lanes.square_low[at + i] += uint32_t(square);
        lanes.square_high[at + i] += square >> 32;
      } else {
        lanes.square_low[at + i] += low[i];
        lanes.square_high[at + i] += high[i];
      }
    }
  }
};

// The lanes whose extremes need more than 32 bits.
template <class T>
LaneMask too_wide(const T* min, const T* max, int first, int count) {
  LaneMask failed = 0;
  if constexpr (sizeof(T) == 8) {
    using Narrow = std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>;
    for (int i = first; i < first + count; ++i) {
      bool fits = min[i] == T(Narrow(min[i])) && max[i] == T(Narrow(max[i]));
      failed |= LaneMask(!fits) << i;
    }
  }
  return failed;
}

template <class T>
LaneMask int_tile(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, IntLanes<T>& lanes) {
  using W = Wide<T>;
  constexpr int kWide = kVectorBytes / int(sizeof(W));     // lanes of a register of sums
  constexpr int kNarrow = kVectorBytes / int(sizeof(T));   // of a register of elements
  constexpr int kStep = std::min(kLanes<T>, kVectorsAtOnce * kNarrow);
  alignas(64) T min[kLanes<T>], max[kLanes<T>];
  LaneMask failed = 0;
  for (int lane = 0; lane < kLanes<T>; lane += kStep) {
    IntSums<T> sums[kStep / kWide];
    Full<T> low[kStep / kNarrow], high[kStep / kNarrow];
    for (int v = 0; v < kStep / kNarrow; ++v) low[v] = high[v] = load<Full<T>>(data + lane + v * kNarrow);
    for (int r = 0; r < rows; ++r) {
      const T* row = data + r * stride + lane;
      if (lane == 0 && ahead) ahead->fetch();
#pragma GCC unroll 2
      for (int v = 0; v < kStep / kNarrow; ++v) {
        auto x = load<Full<T>>(row + v * kNarrow);
        low[v] = least(x, low[v]);
        high[v] = greatest(x, high[v]);
      }
#pragma GCC unroll 8
      for (int s = 0; s < kStep / kWide; ++s) sums[s].add(widened<W>(row + s * kWide));
    }
    for (int v = 0; v < kStep / kNarrow; ++v) {
      store(min + lane + v * kNarrow, low[v]);
      store(max + lane + v * kNarrow, high[v]);
    }
    failed |= too_wide(min, max, lane, kStep);
    for (int s = 0; s < kStep / kWide; ++s) sums[s].add_to(lanes, lane + s * kWide, failed);
  }
  for (int i = 0; i < kLanes<T>; ++i) {
    lanes.min[i] = std::min(lanes.min[i], min[i]);
    lanes.max[i] = std::max(lanes.max[i], max[i]);
  }
  return failed;
}

// Writes a register of T, past the cache if `stream` (the address is then aligned).
inline void write(double* out, Full<double> value, bool stream) {
#if defined(__AVX512F__)
  if (stream) return _mm512_stream_pd(out, (__m512d)value);
#elif defined(__AVX2__)
  if (stream) return _mm256_stream_pd(out, (__m256d)value);
#endif
  (void)stream;
  store(out, value);
}
inline void write(float* out, Full<float> value, bool stream) {
#if defined(__AVX512F__)
  if (stream) return _mm512_stream_ps(out, (__m512)value);
#elif defined(__AVX2__)
  if (stream) return _mm256_stream_ps(out, (__m256)value);
#endif
  (void)stream;
  store(out, value);
}

template <bool kInverse>
inline Full<double> scaled(Full<double> x, Full<double> high, Full<double> low, Full<double> factor,
                           bool nan_to_zero) {
  Full<double> y = kInverse ? (x * factor + low) + high : ((x - high) - low) * factor;
  if (nan_to_zero) y = (Full<double>)((Full<int64_t>)y & (Full<int64_t>)(x == x));
  return y;
}

template <class T, bool kBroadcast, bool kInverse>
void scale_values(const T* x, T* out, int64_t count, const ScaleRow& row) {
  const double *highs = row.high, *lows = row.low, *factors = row.factor;
  const bool nan_to_zero = row.nan_to_zero, stream = row.stream;
  auto one = [&](int64_t at) {
    int64_t c = kBroadcast ? 0 : at;
    double value = double(x[at]);
    double y = kInverse ? (value * factors[c] + lows[c]) + highs[c]
                        : ((value - highs[c]) - lows[c]) * factors[c];
    out[at] = T(nan_to_zero && value != value ? 0 : y);
  };
  Full<double> high = splat<Full<double>>(highs[0]), low = splat<Full<double>>(lows[0]),
               factor = splat<Full<double>>(factors[0]);
  auto register_at = [&](int64_t at) {
    if constexpr (!kBroadcast) {
      high = load<Full<double>>(highs + at);
      low = load<Full<double>>(lows + at);
      factor = load<Full<double>>(factors + at);
    }
    return scaled<kInverse>(doubles(x + at), high, low, factor, nan_to_zero);
  };
  constexpr int kDoubles = kVectorBytes / 8, kWide = kVectorBytes / int(sizeof(T));
  int64_t i = 0;
  while (stream && i < count && reinterpret_cast<uintptr_t>(out + i) % kVectorBytes != 0) one(i++);
  for (; i + kWide <= count; i += kWide) {
    __builtin_prefetch(x + i + 4096 / int(sizeof(T)));  // measured: 22 -> 31 GB/s on rows of 2 KB
    if constexpr (kWide == kDoubles) {
      write(out + i, register_at(i), stream);
    } else {
      Full<double> first = register_at(i), second = register_at(i + kDoubles);
      write(out + i, narrowed(first, second), stream);
    }
  }
  while (i < count) one(i++);
}

template <class T>
void scale_kernel(const void* x, void* out, int64_t count, const ScaleRow& row) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  if (count == 0) return;
  if (row.broadcast && row.inverse) return scale_values<T, true, true>(from, to, count, row);
  if (row.broadcast) return scale_values<T, true, false>(from, to, count, row);
  if (row.inverse) return scale_values<T, false, true>(from, to, count, row);
  scale_values<T, false, false>(from, to, count, row);
}

constexpr Kernels make_kernels(const char* name) {
  return {name,
          start_tile<float>, start_tile<double>,
          sum_rows<float>, sum_rows<double>, sum_rows<Half>, sum_rows<Brain>,
          finish_tile<float>, finish_tile<double>,
          int_tile<int8_t>, int_tile<uint8_t>, int_tile<int16_t>, int_tile<uint16_t>,
          int_tile<int32_t>, int_tile<uint32_t>, int_tile<int64_t>, int_tile<uint64_t>,
          scale_kernel<float>, scale_kernel<double>};
}

}  // namespace
}  // namespace evenly
