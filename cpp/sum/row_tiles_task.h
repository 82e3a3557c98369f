// A task that sums rows of contiguous columns.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/array_view.h"
#include "sum/accumulator_for.h"
#include "sum/column_results.h"

namespace evenly {

// Sums rows [row0, row1) of values [first, last) of a panel's rows.
template <class T>
class RowTilesTask {
 public:
  RowTilesTask(SumContext& context, const RowPanel& shape, int64_t first, int64_t last, bool alone)
      : context_(context),
        shape_(shape),
        first_(first),
        last_(last),
        accumulators_(std::size_t((last - first + kCount - 1) / kCount)),
        own_(context.results, alone, lowest_column(), highest_column() - lowest_column() + 1) {
    infinity_.missing = context.infinity_policy.missing;
  }

  void sum(const char* data, int64_t row0, int64_t row1) {
    const S* values = reinterpret_cast<const S*>(data) + first_;
    int64_t safe = std::clamp(readable_rows(), row0, row1);
    const int64_t row_bytes = int64_t(accumulators_.size()) * kTileBytes;
    const int64_t tile = std::clamp<int64_t>(kBlockBytes / row_bytes, kTileRows / 4, kTileRows);
    for (int64_t row = row0; row < safe; row += tile) {
      sum_block(values + row * shape_.row_stride, int(std::min<int64_t>(tile, safe - row)));
    }
    for (int64_t row = safe; row < row1; row += kTileRows) {
      sum_copy(values + row * shape_.row_stride, int(std::min<int64_t>(kTileRows, row1 - row)));
    }
  }

  void finish() {
    flush();
    own_.merge();
    if (infinity_.seen && !infinity_.missing) context_.infinite = true;
  }

 private:
  using S = StorageType<T>;
  static constexpr int kCount = AccumulatorFor<T>::kCount;
  // The size of adjacent tiles that stay in the L2 cache in case one is summed again.
  static constexpr int64_t kBlockBytes = 2 << 20;
  static constexpr int kPieceBytes = kCount * int(sizeof(S));
  static constexpr int kNarrowPieces = 4, kPiecesAhead = 4;
  static constexpr int64_t kBytesAhead = 8 << 10, kBytesAheadOfOne = 2 << 10;

  // Whether the values include the last column followed by the first.
  bool wraps() const {
    return last_ - first_ >= shape_.inner * shape_.columns ||
           shape_.column(last_ - 1) < shape_.column(first_);
  }
  int64_t lowest_column() const { return wraps() ? shape_.first_column : shape_.column(first_); }
  int64_t highest_column() const {
    return wraps() ? shape_.first_column + shape_.columns - 1 : shape_.column(last_ - 1);
  }
  LaneMask lanes_of(int s) const {
    return first_lanes(std::min<int64_t>(kCount, last_ - first_ - int64_t(s) * kCount));
  }
  // A function from an accumulator's lanes to their columns.
  auto column_of(int s) {
    return [this, s](int lane) -> Column& {
      return own_[shape_.column(first_ + int64_t(s) * kCount + lane)];
    };
  }

  void flush() {
    if constexpr (kIsFloating<T>) {
      for (int s = 0; s < int(accumulators_.size()); ++s) {
        accumulators_[std::size_t(s)].flush(lanes_of(s), column_of(s));
      }
    } else {
      int64_t lowest = lowest_column();
      std::vector<IntTotal<S>> totals(std::size_t(highest_column() - lowest + 1));
      ColumnIterator iterator(shape_, first_);
      for (int s = 0; s < int(accumulators_.size()); ++s) {
        accumulators_[std::size_t(s)].flush(lanes_of(s), [&](int) -> IntTotal<S>& {
          return totals[std::size_t(iterator.next() - lowest)];
        });
      }
      for (std::size_t i = 0; i < totals.size(); ++i) {
        totals[i].add_to(own_[lowest + int64_t(i)]);
      }
    }
  }

  // The last tile of a row may extend beyond the end of the row. Reading into the next row is
  // harmless, reading past the end of the panel is not. The number of rows for which it is safe.
  int64_t readable_rows() const {
    int64_t spare = (shape_.rows - 1) * shape_.row_stride + shape_.width - first_;
    spare -= int64_t(accumulators_.size()) * kCount;
    if (spare < 0) return 0;
    return shape_.row_stride > 0 ? spare / shape_.row_stride + 1 : shape_.rows;
  }

  // Sums up to kTileRows rows in place, one portion of rows at a time, piece by piece, and
  // prefetches: contiguous narrow rows in memory order, others in the order of their pieces.
  // (Prefetching addresses that do not exist is harmless.)
  void sum_block(const S* data, int rows) {
    for (AccumulatorFor<T>& accumulator : accumulators_) accumulator.start(context_.kernels);
    const int pieces = int(accumulators_.size());
    const int64_t stride = shape_.row_stride, row_bytes = stride * int64_t(sizeof(S));
    const bool in_order = pieces <= kNarrowPieces && row_bytes <= pieces * kPieceBytes;
    const int portion = in_order ? AccumulatorFor<T>::kNarrowRows : AccumulatorFor<T>::kWideRows;
    for (int row = 0; row < rows; row += portion) {
      const S* from = data + row * stride;
      int count = std::min(portion, rows - row);
      const int64_t distance =
          pieces == 1 ? bytes_ahead_of_one() : std::max(portion * row_bytes, kBytesAhead);
      Prefetch prefetch{address(from) + distance, kPieceBytes};
      for (int s = 0; s < pieces; ++s) {
        if (!in_order) {
          int later = s + kPiecesAhead;
          const S* next = from + later / pieces * portion * stride + later % pieces * kCount;
          prefetch = {address(next), row_bytes};
        }
        accumulators_[std::size_t(s)].rows(context_.kernels, from + s * kCount, stride, count,
                                           &prefetch, lanes_of(s), column_of(s));
      }
    }
    for (int s = 0; s < pieces; ++s) finish_tile(s, data + s * kCount, stride, rows);
  }
  // For a single piece: a short distance, but beyond the tile if the first sweep has read all of
  // it.
  int64_t bytes_ahead_of_one() const {
    return kBytesAheadOfOne + (context_.kernels.one_sweep ? 0 : kTileRows * kTileBytes);
  }
  static const char* address(const S* data) { return reinterpret_cast<const char*>(data); }

  // Sums a copy of up to kTileRows rows.
  void sum_copy(const S* data, int rows) {
    alignas(64) S copy[kTileRows * kCount];
    for (int s = 0; s < int(accumulators_.size()); ++s) {
      int64_t width = std::min<int64_t>(kCount, last_ - first_ - int64_t(s) * kCount);
      std::memset(static_cast<void*>(copy), 0, std::size_t(rows) * kCount * sizeof(S));
      for (int r = 0; r < rows; ++r) {
        std::memcpy(copy + r * kCount, data + s * kCount + r * shape_.row_stride,
                    std::size_t(width) * sizeof(S));
      }
      accumulators_[std::size_t(s)].start(context_.kernels);
      accumulators_[std::size_t(s)].rows(context_.kernels, copy, kCount, rows, nullptr, lanes_of(s),
                                         column_of(s));
      finish_tile(s, copy, kCount, rows);
    }
  }

  void finish_tile(int s, const S* data, int64_t stride, int rows) {
    accumulators_[std::size_t(s)].finish(context_.kernels, data, stride, rows, lanes_of(s),
                                         column_of(s), infinity_);
  }

  SumContext& context_;
  RowPanel shape_;
  int64_t first_, last_;
  std::vector<AccumulatorFor<T>> accumulators_;
  LocalColumns own_;
  InfinityPolicy infinity_;
};

}  // namespace evenly
