// The sums of a tile of integers.
#pragma once

#include <algorithm>
#include <type_traits>

#include "simd.h"
#include "tile.h"

namespace evenly {
namespace {

// Integers of 16 bits are summed in 32 bits within a tile, wider ones in 64.
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, int32_t, int64_t>;

// The sums of the lanes that one register of W holds.
template <class T>
struct IntSums {
  using W = Wide<T>;
  using U = std::make_unsigned_t<W>;
  static constexpr int kHalf = sizeof(W) * 4;
  Full<U> sum{};          // unsigned: in a lane that is found too wide, it wraps
  Full<U> low{}, high{};  // of the squares: their lower and upper halves

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

// The sums of a register of bytes. Each lies in the half, or the quarter, of a wider lane that has
// its place already: what is shifted or masked needs no shuffle. 256 bytes fit 16 bits, and 256
// of their squares 32.
template <class T>
struct ByteSums {
  using Pair = std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>;
  Full<Pair> sum[2]{};          // of each second byte, from byte 0 and from byte 1 on
  Full<uint32_t> squares[4]{};  // of each fourth byte

  void add(Full<T> x) {
    auto pairs = (Full<Pair>)x;
    Full<Pair> even = std::is_signed_v<T> ? (pairs << 8) >> 8 : pairs & 255, odd = pairs >> 8;
    sum[0] += even;
    sum[1] += odd;
    auto even_squares = (Full<uint32_t>)(even * even), odd_squares = (Full<uint32_t>)(odd * odd);
    squares[0] += even_squares & 0xffff;
    squares[1] += odd_squares & 0xffff;
    squares[2] += even_squares >> 16;
    squares[3] += odd_squares >> 16;
  }
  void add_to(IntLanes<T>& lanes, int at) const {
    Pair own[2][kVectorBytes / 2];
    uint32_t square[4][kVectorBytes / 4];
    std::memcpy(own, sum, sizeof own);
    std::memcpy(square, squares, sizeof square);
    for (int i = 0; i < kVectorBytes; i += 4) {
      for (int byte = 0; byte < 4; ++byte) {
        lanes.sum[at + i + byte] += own[byte % 2][i / 2 + byte / 2];
        lanes.square_low[at + i + byte] += square[byte][i / 4];
      }
    }
  }
};

template <class T>
void byte_tile(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, IntLanes<T>& lanes) {
  constexpr int kStep = kVectorsAtOnce * kVectorBytes, kSweeps = kLanes<T> / kStep;
  for (int lane = 0; lane < kLanes<T>; lane += kStep) {
    ByteSums<T> sums[kVectorsAtOnce];
    Full<T> low[kVectorsAtOnce], high[kVectorsAtOnce];
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      low[v] = load<Full<T>>(lanes.min + lane + v * kVectorBytes);
      high[v] = load<Full<T>>(lanes.max + lane + v * kVectorBytes);
    }
    for (int r = 0; r < rows; ++r) {
      const T* row = data + r * stride + lane;
      if (ahead && r % kSweeps == 0) ahead->fetch();
#pragma GCC unroll 2
      for (int v = 0; v < kVectorsAtOnce; ++v) {
        auto x = load<Full<T>>(row + v * kVectorBytes);
        low[v] = least(x, low[v]);
        high[v] = greatest(x, high[v]);
        sums[v].add(x);
      }
    }
    for (int v = 0; v < kVectorsAtOnce; ++v) {
      store(lanes.min + lane + v * kVectorBytes, low[v]);
      store(lanes.max + lane + v * kVectorBytes, high[v]);
      sums[v].add_to(lanes, lane + v * kVectorBytes);
    }
  }
}

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
LaneMask wide_tile(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, IntLanes<T>& lanes) {
  using W = Wide<T>;
  constexpr int kWide = kVectorBytes / int(sizeof(W));    // lanes of a register of sums
  constexpr int kNarrow = kVectorBytes / int(sizeof(T));  // of a register of elements
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
        low[v] = least(x, low[v]);
        high[v] = greatest(x, high[v]);
      }
#pragma GCC unroll 8
      for (int s = 0; s < kStep / kWide; ++s) sums[s].add(widened<W>(row + s * kWide));
      if (ahead && r % kSweeps == 0) ahead->fetch();
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
LaneMask int_tile(const T* data, ptrdiff_t stride, int rows, Ahead* ahead, IntLanes<T>& lanes) {
  if constexpr (sizeof(T) == 1) {
    byte_tile(data, stride, rows, ahead, lanes);
    return 0;
  } else {
    return wide_tile(data, stride, rows, ahead, lanes);
  }
}

}  // namespace
}  // namespace evenly
