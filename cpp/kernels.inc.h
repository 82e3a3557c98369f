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

// The sums of kVectorBytes / 8 doubles' lanes.
template <class C>
struct Sums;

template <>
struct Sums<float> {
  Full<double> sum{}, square, low{};

  void begin(const FloatLanes<float>& lanes, int lane) {
    square = load<Full<double>>(lanes.bias[1] + lane);
  }
  void add(Full<double> x) {
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
  Full<double> witness() const { return sum; }
  template <class F>
  void each_part(const FloatLanes<float>& lanes, int lane, F&& f) const {
    f(kSumHigh, sum);
    f(kSquareHigh, square - load<Full<double>>(lanes.bias[1] + lane));
    f(kSquareLow, low);
  }
};

template <>
struct Sums<double> {
  Full<double> sum, sum_low{}, square, square_low{}, error, error_low{};

  void begin(const FloatLanes<double>& lanes, int lane) {
    sum = load<Full<double>>(lanes.bias[0] + lane);
    square = load<Full<double>>(lanes.bias[1] + lane);
    error = load<Full<double>>(lanes.bias[2] + lane);
  }
  void add(Full<double> x) {
    sum_low += deposit(sum, x);
    Full<double> p, e;
    exact_square(x, p, e);
    square_low += deposit(square, p);
    error_low += deposit(error, e);
  }
  Full<double> witness() const { return sum; }
  template <class F>
  void each_part(const FloatLanes<double>& lanes, int lane, F&& f) const {
    f(kSumHigh, sum - load<Full<double>>(lanes.bias[0] + lane));
    f(kSumLow, sum_low);
    f(kSquareHigh, square - load<Full<double>>(lanes.bias[1] + lane));
    f(kSquareLow, square_low);
    f(kErrorHigh, error - load<Full<double>>(lanes.bias[2] + lane));
    f(kErrorLow, error_low);
  }
};

template <class T>
Full<Computed<T>> values(const T* from) {
  if constexpr (std::is_same_v<T, double>) {
    return doubles(from);
  } else {
    return floats(from);
  }
}

// Rows of kVectorsAtOnce registers, with everything in registers.
template <class T, bool kSkipNan>
inline void sum_rows(const T* data, ptrdiff_t stride, int rows, ptrdiff_t ahead, int lane,
                     const FloatLanes<Computed<T>>& lanes, FloatSeen<Computed<T>>& seen,
                     double (*part)[kLanes<Computed<T>>], int64_t* missing) {
  using C = Computed<T>;
  using Bits = typename Window<C>::Bits;
  constexpr int kWide = kVectorBytes / int(sizeof(C));  // lanes of a register of C
  constexpr int kDoubles = kVectorBytes / 8;
  constexpr int kHalves = int(sizeof(double) / sizeof(C));  // registers of double to one of C
  Sums<C> sums[kVectorsAtOnce][kHalves];
  Full<C> min[kVectorsAtOnce], max[kVectorsAtOnce];
  Full<Bits> smallest[kVectorsAtOnce];
  Full<Bits> gone[kVectorsAtOnce] = {};
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    min[v] = splat<Full<C>>(std::numeric_limits<C>::infinity());
    max[v] = splat<Full<C>>(-std::numeric_limits<C>::infinity());
    smallest[v] = ~Full<Bits>{};
    for (int h = 0; h < kHalves; ++h) sums[v][h].begin(lanes, lane + v * kWide + h * kDoubles);
  }
  for (int r = 0; r < rows; ++r) {
    const T* row = data + r * stride + lane;
    for (int line = 0; line < kVectorsAtOnce * kWide; line += 64 / int(sizeof(T))) {
      __builtin_prefetch(row + ahead + line);
    }
#pragma GCC unroll 2
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      Full<C> x = values(row + v * kWide);
      min[v] = least(x, min[v]);
      max[v] = greatest(x, max[v]);
      // Zero wraps to the largest integer: the smallest of these is that of the
      // smallest value that is not zero. A NaN's is larger than any number's.
      Full<Bits> bits = (Full<Bits>)x;
      smallest[v] = least(bits + bits - 1, smallest[v]);
      if constexpr (kSkipNan) gone[v] -= (Full<Bits>)(x != x);
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        Full<double> d = doubles(row + v * kWide + h * kDoubles);
        if constexpr (kSkipNan) d = (Full<double>)((Full<int64_t>)d & (Full<int64_t>)(d == d));
        sums[v][h].add(d);
      }
    }
  }
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    int at = lane + v * kWide;
    store(seen.min + at, min[v]);
    store(seen.max + at, max[v]);
    store(seen.smallest + at, smallest[v]);
    for (int i = 0; i < kWide; ++i) missing[at + i] = int64_t(gone[v][i]);
    for (int h = 0; h < kHalves; ++h) {
      int where = at + h * kDoubles;
      Full<double> witness = sums[v][h].witness();
      for (int i = 0; i < kDoubles; ++i) seen.sum[where + i] = C(witness[i]);
      sums[v][h].each_part(lanes, where,
                           [&](Part which, Full<double> value) { store(part[which] + where, value); });
    }
  }
}

template <class C>
inline constexpr Part kPartsOf[] = {kSumHigh, kSumLow, kSquareHigh, kSquareLow, kErrorHigh, kErrorLow};
template <>
inline constexpr Part kPartsOf<float>[] = {kSumHigh, kSquareHigh, kSquareLow};

template <class T>
LaneMask float_tile(const T* data, ptrdiff_t stride, int rows, ptrdiff_t ahead, bool skip_nan,
                    LaneMask commit, FloatLanes<Computed<T>>& lanes, FloatSeen<Computed<T>>& seen) {
  using C = Computed<T>;
  constexpr int kCount = kLanes<C>;
  constexpr int kStep = kVectorsAtOnce * kVectorBytes / int(sizeof(C));
  alignas(64) double part[kParts][kCount];
  alignas(64) int64_t missing[kCount];
  for (int lane = 0; lane < kCount; lane += kStep) {
    if (skip_nan) {
      sum_rows<T, true>(data, stride, rows, ahead, lane, lanes, seen, part, missing);
    } else {
      sum_rows<T, false>(data, stride, rows, ahead, lane, lanes, seen, part, missing);
    }
  }
  alignas(64) int64_t counts[kCount];
  LaneMask failed = 0;
  for (int i = 0; i < kCount; ++i) {
    bool inside = seen.max[i] <= lanes.largest[i] && -seen.min[i] <= lanes.largest[i] &&
                  seen.smallest[i] >= lanes.smallest[i] && seen.sum[i] == seen.sum[i];
    bool wanted = commit >> i & 1;
    if (wanted && !inside) failed |= LaneMask(1) << i;
    counts[i] = wanted && inside ? -1 : 0;
  }
  for (Part which : kPartsOf<C>) {
    for (int i = 0; i < kCount; ++i) {
      lanes.parts[which][i] += int64_t(part[which][i] * lanes.per_unit[which][i]) & counts[i];
    }
  }
  for (int i = 0; i < kCount; ++i) {
    lanes.missing[i] += missing[i] & counts[i];
    if (!counts[i]) continue;
    if (seen.min[i] < lanes.min[i]) lanes.min[i] = seen.min[i];
    if (seen.max[i] > lanes.max[i]) lanes.max[i] = seen.max[i];
  }
  return failed;
}

// Integers of up to 16 bits are summed in 32 bits within a tile, others in 64.
template <class T>
using Wide = std::conditional_t<sizeof(T) <= 2, int32_t, int64_t>;

template <class T>
LaneMask int_tile(const T* data, ptrdiff_t stride, int rows, ptrdiff_t ahead, IntLanes<T>& lanes) {
  using W = Wide<T>;
  using U = std::make_unsigned_t<W>;
  constexpr int kWide = kVectorBytes / int(sizeof(W));
  constexpr int kCount = kLanes<T>;
  constexpr int kAtOnce = std::min(kCount / kWide, kVectorsAtOnce * 2);
  constexpr int kLowBits = sizeof(W) * 4;
  LaneMask failed = 0;
  for (int lane = 0; lane < kCount; lane += kAtOnce * kWide) {
    Full<W> sum[kAtOnce] = {}, min[kAtOnce], max[kAtOnce];
    Full<U> low[kAtOnce] = {}, high[kAtOnce] = {};
    for (int v = 0; v < kAtOnce; ++v) {
      min[v] = max[v] = __builtin_convertvector((load<Vector<T, kWide>>(data + lane + v * kWide)), Full<W>);
    }
    for (int r = 0; r < rows; ++r) {
      const T* row = data + r * stride + lane;
      for (int line = 0; line < kAtOnce * kWide; line += 64 / int(sizeof(T))) {
        __builtin_prefetch(row + ahead + line);
      }
#pragma GCC unroll 4
      for (int v = 0; v < kAtOnce; ++v) {
        Full<W> x = __builtin_convertvector((load<Vector<T, kWide>>(row + v * kWide)), Full<W>);
        sum[v] += x;
        if constexpr (std::is_same_v<T, uint64_t>) {
          min[v] = (Full<W>)least((Full<U>)x, (Full<U>)min[v]);
          max[v] = (Full<W>)greatest((Full<U>)x, (Full<U>)max[v]);
        } else {
          min[v] = least(x, min[v]);
          max[v] = greatest(x, max[v]);
        }
        Full<U> square;
        if constexpr (sizeof(W) == 4) {
          square = (Full<U>)x * (Full<U>)x;
        } else {
          square = (Full<U>)multiply_low32(x, std::bool_constant<std::is_signed_v<T>>{});
        }
        if constexpr (sizeof(T) == 1) {
          low[v] += square;  // 256 squares of 16 bits fit
        } else {
          low[v] += square & ((U(1) << kLowBits) - 1);
          high[v] += square >> kLowBits;
        }
      }
    }
    for (int v = 0; v < kAtOnce; ++v) {
      for (int i = 0; i < kWide; ++i) {
        int at = lane + v * kWide + i;
        T least_value = T(min[v][i]), greatest_value = T(max[v][i]);
        lanes.min[at] = std::min(lanes.min[at], least_value);
        lanes.max[at] = std::max(lanes.max[at], greatest_value);
        if constexpr (sizeof(T) == 8) {
          using Narrow = std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>;
          if (least_value != T(Narrow(least_value)) || greatest_value != T(Narrow(greatest_value))) {
            failed |= LaneMask(1) << at;
            continue;
          }
        }
        lanes.sum[at] += int64_t(sum[v][i]);
        if constexpr (sizeof(W) == 4) {
          uint64_t whole = uint64_t(low[v][i]) + (uint64_t(high[v][i]) << kLowBits);
          lanes.square_low[at] += uint32_t(whole);
          lanes.square_high[at] += whole >> 32;
        } else {
          lanes.square_low[at] += low[v][i];
          lanes.square_high[at] += high[v][i];
        }
      }
    }
  }
  return failed;
}

template <class T>
inline void store_rounded(T* out, Full<double> value, bool stream) {
  if constexpr (std::is_same_v<T, double>) {
#if defined(__AVX512F__)
    if (stream) return _mm512_stream_pd(out, (__m512d)value);
#elif defined(__AVX2__)
    if (stream) return _mm256_stream_pd(out, (__m256d)value);
#endif
    store(out, value);
  } else {
    auto rounded = __builtin_convertvector(value, Vector<float, kVectorBytes / 8>);
#if defined(__AVX512F__)
    if (stream) return _mm256_stream_ps(out, (__m256)rounded);
#elif defined(__AVX2__)
    if (stream) return _mm_stream_ps(out, (__m128)rounded);
#endif
    store(out, rounded);
  }
  (void)stream;
}

template <class T>
inline Full<double> scaled(Full<double> x, Full<double> high, Full<double> low, Full<double> factor,
                           const ScaleRow& row) {
  Full<double> y = row.inverse ? (x * factor + low) + high : ((x - high) - low) * factor;
  if (row.nan_to_zero) y = (Full<double>)((Full<int64_t>)y & (Full<int64_t>)(x == x));
  return y;
}

template <class T, bool kBroadcast>
void scale_values(const T* x, T* out, int64_t count, const ScaleRow& row) {
  constexpr int kDoubles = kVectorBytes / 8;
  int64_t i = 0;
  auto one = [&](int64_t at) {
    int64_t c = kBroadcast ? 0 : at;
    double value = double(x[at]);
    double y = row.inverse ? (value * row.factor[c] + row.low[c]) + row.high[c]
                           : ((value - row.high[c]) - row.low[c]) * row.factor[c];
    if (row.nan_to_zero && value != value) y = 0;
    out[at] = T(y);
  };
  if (row.stream) {
    // Streaming stores want aligned addresses.
    constexpr uintptr_t kAlign = kVectorBytes * sizeof(T) / 8;
    for (; i < count && reinterpret_cast<uintptr_t>(out + i) % kAlign != 0; ++i) one(i);
  }
  Full<double> high = splat<Full<double>>(row.high[0]), low = splat<Full<double>>(row.low[0]),
               factor = splat<Full<double>>(row.factor[0]);
  for (; i + kDoubles <= count; i += kDoubles) {
    if constexpr (!kBroadcast) {
      high = load<Full<double>>(row.high + i);
      low = load<Full<double>>(row.low + i);
      factor = load<Full<double>>(row.factor + i);
    }
    store_rounded(out + i, scaled<T>(doubles(x + i), high, low, factor, row), row.stream);
  }
  for (; i < count; ++i) one(i);
}

template <class T>
void scale_kernel(const void* x, void* out, int64_t count, const ScaleRow& row) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  if (count == 0) return;
  if (row.broadcast) return scale_values<T, true>(from, to, count, row);
  scale_values<T, false>(from, to, count, row);
}

constexpr Kernels make_kernels(const char* name) {
  return {name,
          float_tile<float>, float_tile<double>, float_tile<Half>, float_tile<Brain>,
          int_tile<int8_t>, int_tile<uint8_t>, int_tile<int16_t>, int_tile<uint16_t>,
          int_tile<int32_t>, int_tile<uint32_t>, int_tile<int64_t>, int_tile<uint64_t>,
          scale_kernel<float>, scale_kernel<double>};
}

}  // namespace
}  // namespace evenly
