// What a kernel works on: a tile of up to 256 rows by 128 bytes of a row.
//
// Each lane (a value's place in the row) has a window of exponents. Within it, all
// sums of the tile are exact in plain float64 arithmetic, whatever their order; the
// proof is in README.md. What a tile has summed is then added to 64-bit integers, in
// units fixed by the window, until the window moves or the integers could overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dtype.h"

namespace evenly {

inline constexpr int kTileRows = 256;
inline constexpr int kTileBytes = 128;
template <class T>
inline constexpr int kLanes = kTileBytes / int(sizeof(T));
// A tile's parts are below 2^53 units each, so this many fit an int64.
inline constexpr int kTilesBeforeFlush = 512;

// One bit a lane.
using LaneMask = unsigned __int128;

// Half and bfloat16 become float32 before they are summed.
template <class T>
using Computed = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, Brain>, float, T>;

template <class T>
inline constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, Brain>;

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

// The parts of a lane's sums, each an integer in a unit of its own.
enum Part { kSumHigh, kSumLow, kSquareHigh, kSquareLow, kErrorHigh, kErrorLow, kParts };

template <class C>
struct alignas(64) FloatLanes {
  static constexpr int kCount = kLanes<C>;
  using Bits = typename Window<C>::Bits;
  // Set by set_window.
  double bias[3][kCount];        // of sum, square and the square's error: float32 needs the second
  double per_unit[kParts][kCount];  // 1 / unit
  C largest[kCount];             // |x| <= largest, or the tile does not count
  Bits smallest[kCount];         // 2 * bits(|x|) - 1 >= smallest for x != 0, likewise
  // Summed so far.
  int64_t parts[kParts][kCount];
  int64_t missing[kCount];
  C min[kCount], max[kCount];
};

// What the last tile showed, for choosing a new window.
template <class C>
struct FloatSeen {
  C min[kLanes<C>], max[kLanes<C>];                // without NaN
  typename Window<C>::Bits smallest[kLanes<C>];    // 2 * bits(|x|) - 1, all ones when all are zero
  C sum[kLanes<C>];                                // NaN or infinite when an element was
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

// ---- The kernels of one instruction set --------------------------------------------------

// Sums `rows` <= 256 rows of kLanes<T> values, `stride` elements apart, into the lanes
// of `commit`. Returns the lanes of `commit` in which a value lies outside the window (NaN
// too, unless skip_nan): nothing was added to those. `ahead` elements from each row lies what
// will be summed next; it is fetched meanwhile.
template <class T>
using FloatKernel = LaneMask (*)(const T* rows_data, ptrdiff_t stride, int rows, ptrdiff_t ahead,
                                 bool skip_nan, LaneMask commit, FloatLanes<Computed<T>>& lanes,
                                 FloatSeen<Computed<T>>& seen);
// The same for integers; returns the lanes with a value outside of 32 bits (64-bit types only).
template <class T>
using IntKernel = LaneMask (*)(const T* rows_data, ptrdiff_t stride, int rows, ptrdiff_t ahead,
                               IntLanes<T>& lanes);

// out[i] = ((x[i] - high[i]) - low[i]) * factor[i], or with inverse x[i]*factor[i] + low[i] + high[i],
// in float64, rounded once.
struct ScaleRow {
  const double* high;
  const double* low;
  const double* factor;
  bool broadcast;    // one column: high[0], low[0], factor[0] for all
  bool inverse;
  bool nan_to_zero;
  bool stream;       // write past the cache
};
using ScaleKernel = void (*)(const void* x, void* out, int64_t count, const ScaleRow& row);

struct Kernels {
  const char* name;
  FloatKernel<float> float32;
  FloatKernel<double> float64;
  FloatKernel<Half> float16;
  FloatKernel<Brain> bfloat16;
  IntKernel<int8_t> int8;
  IntKernel<uint8_t> uint8;
  IntKernel<int16_t> int16;
  IntKernel<uint16_t> uint16;
  IntKernel<int32_t> int32;
  IntKernel<uint32_t> uint32;
  IntKernel<int64_t> int64;
  IntKernel<uint64_t> uint64;
  ScaleKernel scale_float32, scale_float64;  // input and output of that type
};

// The best kernels for this processor, or those that EVENLY_KERNEL names. Null for
// "plain": every value through the integer path.
const Kernels* chosen_kernels();
// The name of the choice, and all names that can be chosen here.
const char* chosen_kernel_name();
const char* const* kernel_names();  // ends with a null pointer

}  // namespace evenly
