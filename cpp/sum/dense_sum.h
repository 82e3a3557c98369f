// Sums strided arrays: chooses how to traverse memory.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/array_view.h"
#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "sum/column_results.h"
#include "sum/column_run_task.h"
#include "sum/row_tiles_task.h"

namespace evenly {

// The number of strips into which a row is split, one per task. Long strips suit the hardware
// prefetcher; if they stay long enough, their number is a multiple of the number of threads.
inline int64_t strip_count(int64_t row_bytes, int64_t most, int threads) {
  constexpr int64_t kMinStripBytes = 4 << 10;
  int64_t strips = (row_bytes + most - 1) / most;
  if (strips == 1) return 1;
  int64_t for_all = (strips + threads - 1) / threads * threads;
  return std::max(strips, std::min(for_all, row_bytes / kMinStripBytes));
}

// Sums rows of contiguous columns.
template <class T>
void sum_panels(SumContext& context, const char* data, const RowPanel& shape,
                const std::vector<Axis>& outer, int threads, bool alone) {
  const int64_t panels = element_count(outer), row_bytes = shape.width * int64_t(sizeof(T));
  const int useful = useful_threads(panels * shape.rows * row_bytes, threads);
  // Strips of nearly the same width, made of whole tiles.
  const int64_t tile = AccumulatorFor<T>::kCount,
                wanted = strip_count(row_bytes, AccumulatorFor<T>::kMaxRowBytes, useful);
  const int64_t lanes = (shape.width + wanted * tile - 1) / (wanted * tile) * tile;
  const int64_t strips = (shape.width + lanes - 1) / lanes;
  const int64_t parts = strips >= 2 * useful && strips % useful == 0
                            ? 1
                            : std::min(task_count(strips, useful), std::max(panels, shape.rows));
  const bool own_columns = parts == 1 && shape.inner == 1 && shape.width <= shape.columns;
  parallel(strips * parts, useful, [&](int64_t index) {
    ScopedFpEnvironment fp_environment;
    int64_t strip = index / parts, part = index % parts;
    RowTilesTask<T> task(context, shape, strip * lanes, std::min(shape.width, (strip + 1) * lanes),
                         alone && (useful == 1 || own_columns));
    TaskRange share = task_range(panels, shape.rows, parts, part);
    for (int64_t i = share.outer0; i < share.outer1 && !context.infinite; ++i) {
      task.sum(data + offset_of(outer, i) * int64_t(sizeof(T)), share.row0, share.row1);
    }
    task.finish();
  });
}

// How many contiguous narrow rows are processed as one wide row, so that its lanes fill tiles.
inline int64_t fold_factor(int64_t width, int64_t rows, int64_t lanes) {
  if (width >= 4 * lanes || width % lanes == 0) return 1;
  int64_t fold = lanes / std::gcd(width, lanes);
  while (fold > 1 && (fold * width > 64 * lanes || rows / fold < 8)) fold /= 2;
  return fold;
}

template <class T>
void sum_rows_of(SumContext& context, const char* data, RowPanel shape,
                 const std::vector<Axis>& outer, int threads, bool alone = true) {
  int64_t fold = shape.row_stride == shape.width || shape.rows == 1
                     ? fold_factor(shape.width, shape.rows, AccumulatorFor<T>::kCount)
                     : 1;
  RowPanel folded = shape;
  folded.rows = shape.rows / fold;
  folded.width = shape.width * fold;
  folded.row_stride = fold == 1 ? shape.row_stride : folded.width;
  sum_panels<T>(context, data, folded, outer, threads, alone);
  int64_t done = folded.rows * fold;
  if (done == shape.rows) return;
  RowPanel rest = shape;
  rest.rows = shape.rows - done;
  sum_panels<T>(context, data + done * shape.row_stride * int64_t(sizeof(T)), rest, outer, threads,
                alone);
}

// Sums columns of contiguous rows.
template <class T>
void sum_runs(SumContext& context, const StridedGrid& grid, const Axis& run,
              const std::vector<Axis>& outer, int threads) {
  int64_t columns = grid.feature.extent, runs = element_count(outer);
  int useful = useful_threads(columns * runs * run.extent * int64_t(sizeof(T)), threads);
  int64_t parts = std::min(task_count(columns, useful), std::max(runs, run.extent));
  parallel(columns * parts, useful, [&](int64_t index) {
    ScopedFpEnvironment fp_environment;
    int64_t column = index / parts, part = index % parts;
    ColumnRunTask<T> task(context, column);
    TaskRange share = task_range(runs, run.extent, parts, part);
    for (int64_t i = share.outer0; i < share.outer1 && !context.infinite; ++i) {
      auto run_at = [&](int64_t index) {
        int64_t offset = offset_of(outer, index) + column * grid.feature.stride + share.row0;
        return reinterpret_cast<const StorageType<T>*>(grid.data) + offset;
      };
      task.sum(run_at(i), share.row1 - share.row0, i + 1 < share.outer1 ? run_at(i + 1) : nullptr);
    }
    task.finish();
  });
}

constexpr int64_t kGatheredBytes = 2 << 10;  // of a row

// Copies values of any other layout into rows, one chunk at a time.
template <class T>
void sum_gathered(SumContext& context, const StridedGrid& grid, int threads) {
  using S = StorageType<T>;
  int64_t columns = grid.feature.extent, rows = element_count(grid.others);
  int64_t wide = std::min<int64_t>(columns, kGatheredBytes / int64_t(sizeof(T)));
  int64_t strips = (columns + wide - 1) / wide;
  int64_t chunk = std::max<int64_t>(1, (64 << 10) / int64_t(sizeof(T)) / wide);
  int useful = useful_threads(columns * rows * int64_t(sizeof(T)), threads);
  int64_t parts = std::min(task_count(strips, useful), rows);
  const S* base = reinterpret_cast<const S*>(grid.data);
  parallel(strips * parts, useful, [&](int64_t index) {
    int64_t first = index / parts * wide, part = index % parts;
    int64_t width = std::min(columns, first + wide) - first;
    std::vector<S> buffer(std::size_t(chunk * width));
    int64_t row1 = split_point(rows, parts, part + 1);
    for (int64_t row = split_point(rows, parts, part); row < row1 && !context.infinite;
         row += chunk) {
      int64_t count = std::min(chunk, row1 - row);
      S* to = buffer.data();
      for (int64_t r = 0; r < count; ++r) {
        const S* from = base + offset_of(grid.others, row + r) + first * grid.feature.stride;
        for (int64_t c = 0; c < width; ++c) *to++ = from[c * grid.feature.stride];
      }
      const char* gathered = reinterpret_cast<const char*>(buffer.data());
      sum_rows_of<T>(context, gathered, {nullptr, count, width, width, 1, width, first}, {}, 1,
                     useful == 1);
    }
  });
}

// Removes the axis with stride 1 from `axes` and returns it; {1, 0} if there is none.
inline Axis take_contiguous(std::vector<Axis>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].stride != 1) continue;
    Axis axis = axes[i];
    axes.erase(axes.begin() + int64_t(i));
    return axis;
  }
  return {1, 0};
}

template <class T>
void sum_dense(SumContext& context, const StridedGrid& grid, int threads) {
  const int64_t columns = grid.feature.extent;
  std::vector<Axis> outer = grid.others;
  Axis run = take_contiguous(outer);
  bool adjacent = columns == 1 || grid.feature.stride == 1;
  if (run.extent > 1) {
    // Short runs of each column in turn, repeated over rows: (N, C, L).
    bool rows_of_runs = grid.feature.stride == run.extent && !outer.empty() &&
                        run.extent * int64_t(sizeof(T)) < 2048 && outer.back().extent >= 8;
    if (!rows_of_runs) return sum_runs<T>(context, grid, run, outer, threads);
    Axis rows = outer.back();
    outer.pop_back();
    return sum_rows_of<T>(
        context, grid.data,
        {nullptr, rows.extent, rows.stride, columns * run.extent, run.extent, columns, 0}, outer,
        threads);
  }
  Axis rows{1, 0};
  if (!outer.empty()) {
    rows = outer.back();
    outer.pop_back();
  }
  bool narrow = columns * int64_t(sizeof(T)) < 32 && rows.extent > 1 && rows.stride != columns;
  if (!adjacent || narrow) return sum_gathered<T>(context, grid, threads);
  sum_rows_of<T>(context, grid.data, {nullptr, rows.extent, rows.stride, columns, 1, columns, 0},
                 outer, threads);
}

}  // namespace evenly
