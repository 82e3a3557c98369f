// Normalizes lines of values.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd.h"

namespace evenly {
namespace {

// The number of registers that are scaled before they are written, so that whole cache lines are
// written past the cache. With AVX2, lines of values are also scaled one by one: with 64 float32
// columns on Zen 3, half cache lines written in turn with those of three lines 8 KB apart reached
// 0.55 GB/s per core, whole cache lines 1.2, and one line of values at a time 3.2.
constexpr int kVectorsPerWrite = kVectorBytes == 32 ? 2 : 1;
constexpr int kLinesAtOnce = kVectorBytes == 64 ? 4 : 1;

template <bool kInverse>
inline Full<double> scaled(Full<double> x, Full<double> high, Full<double> low, Full<double> factor,
                           bool nan_to_zero) {
  Full<double> y = kInverse ? (x * factor + low) + high : ((x - high) - low) * factor;
  if (nan_to_zero) y = (Full<double>)((Full<int64_t>)y & (Full<int64_t>)(x == x));
  return y;
}

template <class T, int kLines, bool kBroadcast, bool kInverse>
void scale_values(const T* x, T* out, int64_t count, const ScaleLines& row) {
  const double *highs = row.high, *lows = row.low, *factors = row.factor;
  const bool nan_to_zero = row.nan_to_zero, stream = row.stream;
  const int64_t x_step = row.x_step, out_step = row.out_step;
  auto one = [&](int64_t at) {
    int64_t c = kBroadcast ? 0 : at;
    for (int line = 0; line < kLines; ++line) {
      double value = double(x[line * x_step + at]);
      double y = kInverse ? (value * factors[c] + lows[c]) + highs[c]
                          : ((value - highs[c]) - lows[c]) * factors[c];
      out[line * out_step + at] = T(nan_to_zero && value != value ? 0 : y);
    }
  };
  constexpr int kDoubles = kVectorBytes / 8, kWide = kVectorBytes / int(sizeof(T));
  constexpr int kRegisters = kWide / kDoubles;
  Full<double> high[kRegisters], low[kRegisters], factor[kRegisters];
  auto load_constants = [&](int64_t at) {
    for (int r = 0; r < kRegisters; ++r) {
      high[r] = load<Full<double>>(highs + at + r * kDoubles);
      low[r] = load<Full<double>>(lows + at + r * kDoubles);
      factor[r] = load<Full<double>>(factors + at + r * kDoubles);
    }
  };
  if constexpr (kBroadcast) {
    for (int r = 0; r < kRegisters; ++r) {
      high[r] = splat<Full<double>>(highs[0]);
      low[r] = splat<Full<double>>(lows[0]);
      factor[r] = splat<Full<double>>(factors[0]);
    }
  }
  auto scaled_at = [&](const T* from) {
    auto wide = [&](int r) {
      return scaled<kInverse>(doubles(from + r * kDoubles), high[r], low[r], factor[r],
                              nan_to_zero);
    };
    if constexpr (kRegisters == 1) {
      return wide(0);
    } else {
      return narrowed(wide(0), wide(1));
    }
  };
  constexpr int64_t kAhead = 2048 / sizeof(T);
  constexpr int kStep = kVectorsPerWrite * kWide;
  int64_t i = 0;
  while (stream && i < count && reinterpret_cast<uintptr_t>(out + i) % (kStep * sizeof(T)) != 0)
    one(i++);
  for (; i + kStep <= count; i += kStep) {
    const int64_t ahead = i + kAhead < count ? i + kAhead : i + kAhead + row.next;
    Full<T> done[kLines][kVectorsPerWrite];
    for (int part = 0; part < kVectorsPerWrite; ++part) {
      if constexpr (!kBroadcast) load_constants(i + part * kWide);
#pragma GCC unroll 4
      for (int line = 0; line < kLines; ++line) {
        const T* from = x + line * x_step;
        if (part == 0) __builtin_prefetch(from + ahead);
        done[line][part] = scaled_at(from + i + part * kWide);
        if (part + 1 < kVectorsPerWrite) continue;
        for (int each = 0; each < kVectorsPerWrite; ++each)
          store_or_stream(out + line * out_step + i + each * kWide, done[line][each], stream);
      }
    }
  }
  for (; i + kWide <= count; i += kWide) {
    if constexpr (!kBroadcast) load_constants(i);
    for (int line = 0; line < kLines; ++line)
      store(out + line * out_step + i, scaled_at(x + line * x_step + i));
  }
  while (i < count) one(i++);
}

template <class T, bool kInverse>
void scale_lines(const T* x, T* out, int64_t count, const ScaleLines& row) {
  if (row.broadcast) return scale_values<T, 1, true, kInverse>(x, out, count, row);
  if (row.lines == 1) return scale_values<T, 1, false, kInverse>(x, out, count, row);
  scale_values<T, kLinesAtOnce, false, kInverse>(x, out, count, row);
}

template <class T>
void scale_kernel(const void* x, void* out, int64_t count, const ScaleLines& row) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  if (count == 0) return;
  if (row.inverse) return scale_lines<T, true>(from, to, count, row);
  scale_lines<T, false>(from, to, count, row);
}

}  // namespace
}  // namespace evenly
