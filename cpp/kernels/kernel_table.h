// The table of kernels of an instruction set, and the selection of the one in use.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "batch_norm/kernel_table.h"
#include "kernels/tile.h"
#include "kernels/weighted_kernels.h"

namespace evenly {

// A floating-point tile is started, receives its rows in one or more portions, and is finished, all
// with the same skip_nan. Without skip_nan, the counts of missing values are neither read nor
// written.
template <class C>
using StartKernel = void (*)(const FloatLanes<C>& lanes, bool skip_nan, FloatSums<C>& sums);
// Adds rows of kLanes<T> values that are `stride` elements apart; with skip_nan, NaN counts as
// missing. If given, `prefetch` is advanced meanwhile.
template <class T>
using RowsKernel = void (*)(const T* data, ptrdiff_t stride, int rows, Prefetch* prefetch,
                            bool skip_nan, FloatSums<ComputeType<T>>& sums);
// Adds a tile's sums to the lanes in `commit`, except those with a value outside of the window (or
// a NaN, unless skip_nan), and returns the latter.
template <class C>
using FinishKernel = LaneMask (*)(const FloatSums<C>& sums, LaneMask commit, bool skip_nan,
                                  FloatLanes<C>& lanes);

// Sums up to 256 rows of integers; returns the lanes with a value of more than 32 bits (64-bit
// types only), of which only the extremes are updated.
template <class T>
using IntKernel = LaneMask (*)(const T* rows_data, ptrdiff_t stride, int rows, Prefetch* prefetch,
                               IntLanes<T>& lanes);

// out[i] = ((x[i] - high[i]) - low[i]) * factor[i] or, if inverse, x[i]*factor[i] + low[i] +
// high[i], in float64, rounded once.
struct ScaleLines {
  const double* high;
  const double* low;
  const double* factor;
  bool broadcast;  // a single column: high[0], low[0] and factor[0] apply to all values
  bool inverse;
  bool nan_to_zero;
  bool stream;  // write past the cache
  // The number of lines of the same columns: 1 or the kernels' lines_at_once. With `stream`, all
  // start at the same position within a cache line.
  int lines = 1;
  int64_t x_step = 0, out_step = 0;  // elements from one line to the next
  int64_t next = 0;  // from the end of the first line to the values that are read after it
};
using ScaleKernel = void (*)(const void* x, void* out, int64_t count, const ScaleLines& lines);

struct Kernels {
  const char* name;
  bool one_sweep;  // a tile's rows are summed in one sweep, not one per register width
  StartKernel<float> start_float32;
  StartKernel<double> start_float64;
  RowsKernel<float> float32;
  RowsKernel<double> float64;
  RowsKernel<Float16> float16;
  RowsKernel<BFloat16> bfloat16;
  FinishKernel<float> finish_float32;
  FinishKernel<double> finish_float64;
  IntKernel<int8_t> int8;
  IntKernel<uint8_t> uint8;
  IntKernel<int16_t> int16;
  IntKernel<uint16_t> uint16;
  IntKernel<int32_t> int32;
  IntKernel<uint32_t> uint32;
  IntKernel<int64_t> int64;
  IntKernel<uint64_t> uint64;
  ScaleKernel scale_float32, scale_float64;  // for input and output of that type
  int lines_at_once;
  BatchKernels<Float16> batch_float16;
  BatchKernels<BFloat16> batch_bfloat16;
  BatchKernels<float> batch_float32;
  BatchKernels<double> batch_float64;
  ChannelKernels channel;
  WeightedKernels weighted;  // null without a fused multiply-add
};

// The best kernels for this processor, or those named by EVENLY_KERNEL. Null for "plain", the
// scalar path.
const Kernels* chosen_kernels();
// The name of the selection, and all names that can be selected on this processor.
const char* chosen_kernel_name();
const char* const* kernel_names();  // terminated by a null pointer

}  // namespace evenly
