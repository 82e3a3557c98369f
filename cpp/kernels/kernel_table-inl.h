// The kernels are written once; each target_*.cc compiles this file for its instruction set.
#pragma once

#include "kernels/batch_norm-inl.h"
#include "kernels/channel-inl.h"
#include "kernels/float_sum-inl.h"
#include "kernels/int_sum-inl.h"
#include "kernels/kernel_table.h"
#include "kernels/scale-inl.h"
#include "kernels/weighted_sum-inl.h"

namespace evenly {
namespace {

constexpr Kernels make_kernels(const char* name) {
  return {name,
          kVectorsAtOnce * kVectorBytes == kTileBytes,
          start_tile<float>,
          start_tile<double>,
          sum_rows<float>,
          sum_rows<double>,
          sum_rows<Float16>,
          sum_rows<BFloat16>,
          finish_tile<float>,
          finish_tile<double>,
          int_tile<int8_t>,
          int_tile<uint8_t>,
          int_tile<int16_t>,
          int_tile<uint16_t>,
          int_tile<int32_t>,
          int_tile<uint32_t>,
          int_tile<int64_t>,
          int_tile<uint64_t>,
          scale_kernel<float>,
          scale_kernel<double>,
          kLinesAtOnce,
          make_batch_kernels<Float16>(),
          make_batch_kernels<BFloat16>(),
          make_batch_kernels<float>(),
          make_batch_kernels<double>(),
          make_channel_kernels(),
          make_weighted_kernels()};
}

}  // namespace
}  // namespace evenly
