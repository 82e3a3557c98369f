// The data of the sum kernels: a tile of up to 256 rows of 128 bytes.
//
// Each lane (a position within the 128 bytes) has a window of exponents, within which all sums of
// the tile are exact in float64 arithmetic, in any order; for the proof see
// docs/exact-arithmetic.md. The sums of a tile are then added to 64-bit integers, in units given by
// the window, until the window moves or the integers could overflow.
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
// Each tile adds less than 2^53 units to a part, so an int64 holds this many.
inline constexpr int kTilesBeforeFlush = 512;

// 2^exponent, for exponents of normal numbers.
constexpr double power_of_two(int exponent) {
  return std::bit_cast<double>(uint64_t(exponent + 1023) << 52);
}

// One bit per lane.
using LaneMask = unsigned __int128;

// ---- Floating-point lanes ----------------------------------------------------------------

// The constants of the window that ends at 2^(top+1); see docs/exact-arithmetic.md, "The window".
// The proof is the same for both types, which differ in their mantissa only.
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
  // Beyond these, a square, its error term or a reciprocal unit would overflow or underflow.
  static constexpr int kLowestTop = -430, kHighestTop = 480;
};

// The parts of a lane's sums, each an integer with its own unit. A float32 needs only the first
// three: its sum is exact, and its square has no error.
enum SumPart { kSumHigh, kSquareHigh, kSquareLow, kSumLow, kErrorHigh, kErrorLow };
template <class C>
inline constexpr int kSumParts = std::is_same_v<C, float> ? 3 : 6;

// The unit of a part is 2^(tops * top - below), for a window that ends at `top`; its sum starts at
// bias * 2^52 units, which determines the unit to which it rounds. Derived in
// docs/exact-arithmetic.md.
struct PartUnit {
  int tops, below;
  double bias;  // 1.5 if the terms can have either sign
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
  // Set by set_window().
  double two_to_top[kCount];  // determines the units of the parts
  C largest[kCount];          // the tile is rejected unless |x| <= largest
  Bits smallest[kCount];      // and unless 2 * bits(|x|) - 1 >= smallest for x != 0
  // Sums so far.
  int64_t parts[kSumParts<C>][kCount];
  int64_t missing[kCount];
  C min[kCount], max[kCount];
};

// The state of an unfinished tile: the sums of its rows so far.
template <class C>
struct alignas(64) FloatSums {
  double part[kSumParts<C>][kLanes<C>];  // including the bias
  C min[kLanes<C>], max[kLanes<C>];      // without NaN
  typename Window<C>::Bits
      smallest[kLanes<C>];  // 2 * bits(|x|) - 1; all ones if all values are zero
  typename Window<C>::Bits missing[kLanes<C>];  // the number of NaN, with skip_nan
};

// ---- Integer lanes -----------------------------------------------------------------------

template <class T>
struct alignas(64) IntLanes {
  static constexpr int kCount = kLanes<T>;
  int64_t sum[kCount];
  uint64_t square_low[kCount];   // sum of the squares' lower 32 bits
  uint64_t square_high[kCount];  // sum of their upper bits, in units of 2^32
  T min[kCount], max[kCount];
};

// ---- Fetching ahead ---------------------------------------------------------------------

// Memory to fetch into the L2 cache while a tile is summed: 128 bytes for each row of the tile,
// spread over all sweeps. Into L2, not L1, because a core can have only about two dozen outstanding
// misses for its L1 but more for its L2.
struct Prefetch {
  const char* from;
  ptrdiff_t step;  // bytes from one row to the next

  void fetch() {
    __builtin_prefetch(from, 0, 2);
    __builtin_prefetch(from + 64, 0, 2);
    from += step;
  }
};

}  // namespace evenly
