#include "sum/accumulate.h"

#include <algorithm>

#include "sum/dense_sum.h"
#include "sum/nullable_sum.h"
#include "sum/weighted_sum.h"

namespace evenly {

std::vector<Column> accumulate(const Array& array, const AccumulateOptions& options,
                               bool& infinite) {
  infinite = false;
  StridedGrid grid = strided_grid(array);
  if (grid.empty) return std::vector<Column>(static_cast<std::size_t>(array.columns()));
  const Kernels* kernels = chosen_kernels();
  if (options.weights) return accumulate_weighted(array, options, infinite);
  if (!kernels) return accumulate_scalar(array, options, infinite);
  SharedColumns results(array.columns(), array.rows());
  SumContext context{*kernels, results, {options.infinite_as_missing}};
  with_type(array.dtype, [&](auto* type) {
    sum_dense<std::remove_pointer_t<decltype(type)>>(context, grid, options.threads);
  });
  infinite = context.infinite;
  std::vector<Column> columns = results.take();
  if (grid.feature_reversed) std::reverse(columns.begin(), columns.end());
  return columns;
}

std::vector<Column> accumulate(const std::vector<ArrowColumn>& columns,
                               const AccumulateOptions& options, bool& infinite) {
  infinite = false;
  const Kernels* kernels = chosen_kernels();
  if (options.weights) return accumulate_weighted(columns, options, infinite);
  if (!kernels) return accumulate_scalar(columns, options, infinite);
  SharedColumns results(int64_t(columns.size()), columns.empty() ? 0 : columns[0].length());
  SumContext context{*kernels, results, {options.infinite_as_missing}};
  sum_nullable(context, columns, options.threads);
  infinite = context.infinite;
  return results.take();
}

}  // namespace evenly
