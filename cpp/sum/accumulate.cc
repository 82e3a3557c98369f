#include "sum/accumulate.h"

#include <algorithm>

#include "sum/dense_sum.h"
#include "sum/nullable_sum.h"
#include "sum/weighted_sum.h"

namespace evenly {

std::vector<Column> accumulate(const Array& array, const AccumulateOptions& options,
                               bool& infinite) {
  infinite = false;
  Grid grid = grid_of(array);
  if (grid.empty) return std::vector<Column>(static_cast<std::size_t>(array.columns()));
  const Kernels* kernels = chosen_kernels();
  if (options.weights) return accumulate_weighted(array, options, infinite);
  if (!kernels) return accumulate_plain(array, options, infinite);
  Sink sink(array.columns(), array.rows());
  Shared shared{*kernels, sink, {options.infinite_as_missing}};
  with_type(array.dtype, [&](auto* type) {
    sum_grid<std::remove_pointer_t<decltype(type)>>(shared, grid, options.threads);
  });
  infinite = shared.infinite;
  std::vector<Column> columns = sink.take();
  if (grid.feature_reversed) std::reverse(columns.begin(), columns.end());
  return columns;
}

std::vector<Column> accumulate(const std::vector<ArrowColumn>& columns,
                               const AccumulateOptions& options, bool& infinite) {
  infinite = false;
  const Kernels* kernels = chosen_kernels();
  if (options.weights) return accumulate_weighted(columns, options, infinite);
  if (!kernels) return accumulate_plain(columns, options, infinite);
  Sink sink(int64_t(columns.size()), columns.empty() ? 0 : columns[0].length());
  Shared shared{*kernels, sink, {options.infinite_as_missing}};
  sum_arrow(shared, columns, options.threads);
  infinite = shared.infinite;
  return sink.take();
}

}  // namespace evenly
