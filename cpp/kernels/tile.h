// What a kernel works on: a tile of up to 256 rows by 128 bytes of a row.
//
// Each lane (a value's place in the row) has a window of exponents. Within it, all
// sums of the tile are exact in plain float64 arithmetic, whatever their order; the
// proof is in README.md. What a tile has summed is then added to 64-bit integers, in
// units fixed by the window, until the window moves or the integers could overflow.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/dtype.h"

namespace evenly {

inline constexpr int kTileRows = 256;
inline constexpr int kTileBytes = 128;
template <class T>
inline constexpr int kLanes = kTileBytes / int(sizeof(T));
// A tile's parts are below 2^53 units each, so this many fit an int64.
inline constexpr int kTilesBeforeFlush = 512;

// 2^exponent, for the exponents of normal numbers.
constexpr double power_of_two(int exponent) {
  return std::bit_cast<double>(uint64_t(exponent + 1023) << 52);
}

// One bit a lane.
using LaneMask = unsigned __int128;

// ---- Floating-point lanes ----------------------------------------------------------------

// The constants of the window that ends at 2^(top+1). See README.md, "The window".
// They are the same proof for both types; only the mantissa differs.
template <class C>
struct Window;
template <>
struct Window<float> {
  using Bits = uint32_t;
  static constexpr int kMantissa = 24;
  static constexpr int kBinades = 22;  // exponents top-21 .. top
  static constexpr int kLowestTop = -149 + 23, kHighestTop = 127;
};
template <>
struct Window<double> {
  using Bits = uint64_t;
  static constexpr int kMantissa = 53;
  static constexpr int kBinades = 19;  // exponents top-18 .. top
  // Beyond these a square, its error term or one over its unit would over- or underflow.
  static constexpr int kLowestTop = -430, kHighestTop = 480;
};

// The parts of a lane's sums, each an integer in a unit of its own. A float32 needs the first
// three: its sum is exact as it is, and its square has no error.
enum SumPart { kSumHigh, kSquareHigh, kSquareLow, kSumLow, kErrorHigh, kErrorLow };
template <class C>
inline constexpr int kSumParts = std::is_same_v<C, float> ? 3 : 6;

// A part's unit is 2^(tops * top - below), of a window that ends at `top`; its sum starts at
// bias * 2^52 units, which fixes the unit to which it rounds. README.md derives them.
struct PartUnit {
  int tops, below;
  double bias;  // 1.5 where what is added has either sign
};
template <class C>
inline constexpr PartUnit kPartUnits[6] = {};
template <>
inline constexpr PartUnit kPartUnits<float>[] = {{1, 44, 0}, {2, 42, 1}, {2, 88, 0}};
template <>
inline constexpr PartUnit kPartUnits<double>[] = {{1, 42, 1.5}, {2, 42, 1},   {2, 88, 0},
                                                  {1, 70, 0},   {2, 94, 1.5}, {2, 140, 0}};

template <class C>
struct alignas(64) FloatLanes {
  static constexpr int kCount = kLanes<C>;
  using Bits = typename Window<C>::Bits;
  // Set by set_window.
  double two_to_top[kCount];  // gives the parts' units
  C largest[kCount];          // |x| <= largest, or the tile does not count
  Bits smallest[kCount];      // 2 * bits(|x|) - 1 >= smallest for x != 0, likewise
  // Summed so far.
  int64_t parts[kSumParts<C>][kCount];
  int64_t missing[kCount];
  C min[kCount], max[kCount];
};

// A tile half-way: what its rows so far have summed to.
template <class C>
struct alignas(64) FloatSums {
  double part[kSumParts<C>][kLanes<C>];          // from the bias up
  C min[kLanes<C>], max[kLanes<C>];              // without NaN
  typename Window<C>::Bits smallest[kLanes<C>];  // 2 * bits(|x|) - 1, all ones when all are zero
  typename Window<C>::Bits missing[kLanes<C>];   // NaN, with skip_nan
};

// ---- Integer lanes -----------------------------------------------------------------------

template <class T>
struct alignas(64) IntLanes {
  static constexpr int kCount = kLanes<T>;
  int64_t sum[kCount];
  uint64_t square_low[kCount];   // sum of the squares' low 32 bits
  uint64_t square_high[kCount];  // sum of the rest, in units of 2^32
  T min[kCount], max[kCount];
};

// ---- Fetching ahead ---------------------------------------------------------------------

// Memory that will be wanted soon, fetched into the L2 cache while a tile is summed: 128 bytes for
// each row of the tile, spread over all the sweeps that sum it. Into L2 and not into L1: a core
// waits for two dozen lines for its L1 at most, for more for its L2.
struct Prefetch {
  const char* from;
  ptrdiff_t step;  // bytes from one row's to the next row's

  void fetch() {
    __builtin_prefetch(from, 0, 2);
    __builtin_prefetch(from + 64, 0, 2);
    from += step;
  }
};

}  // namespace evenly
