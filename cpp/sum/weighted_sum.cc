#include "sum/weighted_sum.h"

#include <memory>

#include "kernels/kernel_table.h"
#include "sum/split_columns.h"
#include "sum/weighted_task.h"

namespace evenly {
namespace {

// Sets the weight of the rows with a value: the weight of all rows minus that of the rows without
// one.
void count_rows(std::vector<Column>& columns, const double* weights, int64_t rows, int threads) {
  bool infinite = false;
  AccumulateOptions options;
  options.threads = threads;
  const Array array{weights, DType::kFloat64, {rows}, {1}, -1};
  const ExactSum total = accumulate(array, options, infinite)[0].sum;
  for (Column& column : columns) {
    ExactSum count = total;
    count.subtract(column.total_missing());
    column.add_count(count);
  }
}

}  // namespace

std::vector<Column> accumulate_weighted(const Array& array, const AccumulateOptions& options,
                                        bool& infinite) {
  const Kernels* kernels = chosen_kernels();
  if (!kernels || !kernels->weighted.sums) return accumulate_scalar(array, options, infinite);
  const int64_t columns = array.columns(), rows = array.rows(), step = feature_stride(array);
  const std::vector<Axis> axes = row_axes(array);
  const bool run = columns < 4 || axes.empty() || std::abs(axes.back().stride) < std::abs(step);
  const int64_t together = run ? 1 : kWeightedLanes;
  std::vector<Column> sums = with_type(array.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    auto part = [&](int64_t row0, int64_t row1, int64_t first, int count, Column* into) {
      auto task = std::make_unique<WeightedTask<T>>(kernels->weighted, count, run,
                                                    InfinityPolicy{options.infinite_as_missing});
      const T* data = static_cast<const T*>(array.data) + first * step;
      if (run) {
        task->add_run(data, axes, row0, row1, options.weights);
      } else {
        task->add_rows(data, axes, step, row0, row1, options.weights);
      }
      return task->finish(into);
    };
    return sum_in_tasks(rows, columns, together, kMaxWeightedValues / together, options.threads,
                        infinite, part);
  });
  count_rows(sums, options.weights, rows, options.threads);
  return sums;
}

std::vector<Column> accumulate_weighted(const std::vector<ArrowColumn>& columns,
                                        const AccumulateOptions& options, bool& infinite) {
  const Kernels* kernels = chosen_kernels();
  if (!kernels || !kernels->weighted.sums) return accumulate_scalar(columns, options, infinite);
  const int64_t rows = columns.empty() ? 0 : columns[0].length();
  auto part = [&](int64_t row0, int64_t row1, int64_t index, int count, Column* into) {
    const ArrowColumn& column = columns[std::size_t(index)];
    return with_type(column.values.dtype, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      auto task = std::make_unique<WeightedTask<T>>(kernels->weighted, count, true,
                                                    InfinityPolicy{options.infinite_as_missing});
      task->add_run(static_cast<const T*>(column.values.data), row_axes(column.values), row0, row1,
                    options.weights, column.validity ? &column : nullptr);
      return task->finish(into);
    });
  };
  std::vector<Column> sums = sum_in_tasks(rows, int64_t(columns.size()), 1, kMaxWeightedValues,
                                          options.threads, infinite, part);
  count_rows(sums, options.weights, rows, options.threads);
  return sums;
}

}  // namespace evenly
