// Sums a tile of integers.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/simd.h"
#include "kernels/tile.h"

namespace evenly {
namespace {

// 16-bit integers are summed in 32 bits within a tile, wider ones in 64 bits.
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, int32_t, int64_t>;

// The sums of the lanes in one register of W.
template <class T>
struct IntSums {
  using W = Wide<T>;
  using U = std::make_unsigned_t<W>;
  static constexpr int kHalf = sizeof(W) * 4;
  Full<U> sum{};          // unsigned, because it wraps in a lane that turns out to be too wide
  Full<U> low{}, high{};  // sums of the lower and upper halves of the squares

  void add(Full<W> x) {
    sum += (Full<U>)x;
    Full<U> square;
    if constexpr (sizeof(W) == 4) {
      square = (Full<U>)x * (Full<U>)x;
    } else {
      square = (Full<U>)multiply_low32(x, std::bool_constant<std::is_signed_v<T>>{});
    }
    low += square & ((U(1) << kHalf) - 1);
    high += square >> kHalf;
  }
  void add_to(IntLanes<T>& lanes, int at, LaneMask failed) const {
    for (int i = 0; i < kVectorBytes / int(sizeof(W)); ++i) {
      if (sizeof(T) == 8 && failed >> (at + i) & 1) continue;
      lanes.sum[at + i] += int64_t(W(sum[i]));
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

// The sums of the lanes of a register of bytes, four rows at once: a lane's four values are moved
// into 32 bits, and one operation squares and adds two of them. Each lane has two sums, of 128 of
// the 256 rows each, which fit into 16 bits; the sums of squares fit into 32.
template <class T>
struct ByteSums {
  using Pair = std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>;
  Full<Pair> sum[4]{};  // two per lane
  Full<int32_t> squares[4]{};

  void add(Full<T> a, Full<T> b, Full<T> c, Full<T> d) {
    const Full<T> ab[] = {interleaved<T, false>(a, b), interleaved<T, true>(a, b)},
                  cd[] = {interleaved<T, false>(c, d), interleaved<T, true>(c, d)};
    for (int i = 0; i < 4; ++i) {
      auto rows = (Full<Pair>)(i % 2 ? interleaved<Pair, true>(ab[i / 2], cd[i / 2])
                                     : interleaved<Pair, false>(ab[i / 2], cd[i / 2]));
      Full<Pair> even = std::is_signed_v<T> ? (rows << 8) >> 8 : rows & 255, odd = rows >> 8;
      sum[i] += even + odd;
      squares[i] += squares_of_pairs((Full<int16_t>)even) + squares_of_pairs((Full<int16_t>)odd);
    }
  }
  void add_to(IntLanes<T>& lanes, int at) const {
    Pair own[4][kVectorBytes / 2];
    int32_t square[4][kVectorBytes / 4];
    std::memcpy(own, sum, sizeof own);
    std::memcpy(square, squares, sizeof square);
    for (int part = 0; part < 4; ++part) {
      for (int i = 0; i < kVectorBytes / 4; ++i) {
        const int lane = at + i / 4 * 16 + part * 4 + i % 4;
        lanes.sum[lane] += own[part][2 * i] + own[part][2 * i + 1];
        lanes.square_low[lane] += uint64_t(square[part][i]);
      }
    }
  }
};

template <class T>
void byte_tile(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch, IntLanes<T>& lanes) {
  constexpr int kStep = kVectorsAtOnce * kVectorBytes, kSweeps = kLanes<T> / kStep;
  constexpr int kFetched = std::max(1, 4 / kSweeps);  // rows prefetched per four rows
  for (int lane = 0; lane < kLanes<T>; lane += kStep) {
    ByteSums<T> sums[kVectorsAtOnce];
    Full<T> low[kVectorsAtOnce], high[kVectorsAtOnce];
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      low[v] = load<Full<T>>(lanes.min + lane + v * kVectorBytes);
      high[v] = load<Full<T>>(lanes.max + lane + v * kVectorBytes);
    }
    const Full<T> none{};
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
      for (int i = 0; prefetch && r % kSweeps == 0 && i < kFetched; ++i) prefetch->fetch();
#pragma GCC unroll 2
      for (int v = 0; v < kVectorsAtOnce; ++v) {
        const T* from = data + r * stride + lane + v * kVectorBytes;
        auto a = load<Full<T>>(from), b = load<Full<T>>(from + stride),
             c = load<Full<T>>(from + 2 * stride), d = load<Full<T>>(from + 3 * stride);
        low[v] = lane_min(lane_min(lane_min(a, b), lane_min(c, d)), low[v]);
        high[v] = lane_max(lane_max(lane_max(a, b), lane_max(c, d)), high[v]);
        sums[v].add(a, b, c, d);
      }
    }
    for (; r < rows; ++r) {
      for (int v = 0; v < kVectorsAtOnce; ++v) {
        auto x = load<Full<T>>(data + r * stride + lane + v * kVectorBytes);
        low[v] = lane_min(x, low[v]);
        high[v] = lane_max(x, high[v]);
        sums[v].add(x, none, none, none);
      }
    }
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      store(lanes.min + lane + v * kVectorBytes, low[v]);
      store(lanes.max + lane + v * kVectorBytes, high[v]);
      sums[v].add_to(lanes, lane + v * kVectorBytes);
    }
  }
}

// The lanes whose extremes do not fit into 32 bits.
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
LaneMask wide_tile(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch,
                   IntLanes<T>& lanes) {
  using W = Wide<T>;
  constexpr int kWide = kVectorBytes / int(sizeof(W));    // lanes per register of sums
  constexpr int kNarrow = kVectorBytes / int(sizeof(T));  // lanes per register of elements
  constexpr int kStep = std::min(kLanes<T>, kVectorsAtOnce * kNarrow), kSweeps = kLanes<T> / kStep;
  alignas(64) T min[kLanes<T>], max[kLanes<T>];
  LaneMask failed = 0;
  for (int lane = 0; lane < kLanes<T>; lane += kStep) {
    IntSums<T> sums[kStep / kWide];
    Full<T> low[kStep / kNarrow], high[kStep / kNarrow];
    for (int v = 0; v < kStep / kNarrow; ++v)
      low[v] = high[v] = load<Full<T>>(data + lane + v * kNarrow);
    for (int r = 0; r < rows; ++r) {
      const T* row = data + r * stride + lane;
#pragma GCC unroll 2
      for (int v = 0; v < kStep / kNarrow; ++v) {
        auto x = load<Full<T>>(row + v * kNarrow);
        low[v] = lane_min(x, low[v]);
        high[v] = lane_max(x, high[v]);
      }
#pragma GCC unroll 8
      for (int s = 0; s < kStep / kWide; ++s) sums[s].add(widened<W>(row + s * kWide));
      if (prefetch && r % kSweeps == 0) prefetch->fetch();
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

template <class T>
LaneMask int_tile(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch,
                  IntLanes<T>& lanes) {
  if constexpr (sizeof(T) == 1) {
    byte_tile(data, stride, rows, prefetch, lanes);
    return 0;
  } else {
    return wide_tile(data, stride, rows, prefetch, lanes);
  }
}

}  // namespace
}  // namespace evenly
