#include "distribution/count_values.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "distribution/column_reader.h"
#include "distribution/row_counter.h"
#include "sum/group_order.h"

namespace evenly {
namespace {

using Reader = std::unique_ptr<ColumnReader>;

// A counter needs some 0.2 ms to find the bins, the time of this many values.
constexpr int64_t kMinPartRows = 1 << 17;

void check_counts(const std::vector<Column>& columns) {
  for (const Column& column : columns) column.check_countable();
}

// Columns of equal length, of which each reader has some; a task counts some rows of a reader.
void count_columns(const std::vector<Reader>& readers, int64_t rows,
                   const AccumulateOptions& options, int64_t most_bins,
                   std::vector<Column>& columns) {
  check_counts(columns);
  const int64_t width = int64_t(columns.size()), strips = int64_t(readers.size());
  const int useful = useful_threads(width * rows * int64_t(sizeof(double)), options.threads);
  int64_t parts = std::clamp<int64_t>(rows / kMinPartRows, 1, task_count(strips, useful));
  if (strips == 1 && parts > useful) parts -= parts % useful;
  std::vector<int64_t> first;
  for (int64_t sum = 0; const Reader& reader : readers) {
    first.push_back(sum);
    sum += reader->columns();
  }
  std::vector<Histogram> counts(std::size_t(width * parts), Histogram(most_bins));
  CounterPool counters(most_bins, options.weights);
  parallel(strips * parts, useful, [&](int64_t task) {
    ScopedFpEnvironment fp_environment;
    const int64_t strip = task / parts, part = task % parts;
    counters.borrow([&](RowCounter& counter) {
      counter.count(*readers[std::size_t(strip)], split_point(rows, parts, part),
                    split_point(rows, parts, part + 1),
                    counts.data() + part * width + first[std::size_t(strip)]);
    });
  });
  parallel(width, useful, [&](int64_t i) {
    auto histogram = std::make_unique<Histogram>(std::move(counts[std::size_t(i)]));
    for (int64_t part = 1; part < parts; ++part) {
      histogram->add(counts[std::size_t(part * width + i)]);
    }
    columns[std::size_t(i)].histogram = std::move(histogram);
  });
}

// Counts each column of each group; all columns of a group are stored together.
void count_groups(const GroupOrder& order, const std::vector<ArrowColumn>& data,
                  const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns) {
  check_counts(columns);
  const int64_t width = int64_t(data.size()), groups = order.count();
  const int64_t rows = order.starts.back();
  const int useful = useful_threads(width * rows * int64_t(sizeof(double)), options.threads);
  const int64_t parts = useful == 1 ? 1 : 4 * useful;
  parallel(parts, useful, [&](int64_t part) {
    ScopedFpEnvironment fp_environment;
    const int64_t first = part == 0 ? 0 : order.group_at(split_point(rows, parts, part));
    const int64_t last =
        part + 1 == parts ? groups : order.group_at(split_point(rows, parts, part + 1));
    RowCounter counter(most_bins, options.weights);
    for (int64_t c = 0; c < width; ++c) {
      for (int64_t g = first; g < last; ++g) {
        const Rows group = order.rows_of(g);
        const Reader reader = arrow_reader(data[std::size_t(c)], group.listed, group.first);
        columns[std::size_t(g * width + c)].histogram =
            std::make_unique<Histogram>(counter.count(*reader, group));
      }
    }
  });
}

}  // namespace

void count_values(const Array& array, const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns) {
  // Only weights depend on the order of the rows. Otherwise the axes are merged and sorted.
  const StridedGrid grid = strided_grid(array);
  std::vector<Reader> readers;
  const bool in_order = options.weights || grid.empty;
  const bool reversed = !in_order && grid.feature_reversed;
  const std::vector<Axis> axes = in_order ? row_axes(array) : grid.others;
  const int64_t stride = in_order ? feature_stride(array) : grid.feature.stride;
  const int64_t width = array.columns(), step = reversed ? -stride : stride;
  // Columns side by side in memory share cache lines.
  const int64_t line = std::min<int64_t>(64 / size_of(array.dtype), 16);
  const int64_t together = stride == 1 || stride == -1 ? line : 1;
  with_type(array.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const void* start = in_order ? array.data : static_cast<const void*>(grid.data);
    const T* data = static_cast<const T*>(start) + (reversed ? (width - 1) * stride : 0);
    for (int64_t i = 0; i < width; i += together) {
      readers.push_back(std::make_unique<StridedReader<T>>(data + i * step, axes,
                                                           std::min(together, width - i), step));
    }
  });
  count_columns(readers, array.rows(), options, most_bins, columns);
}

void count_values(const std::vector<ArrowColumn>& data, const AccumulateOptions& options,
                  int64_t most_bins, std::vector<Column>& columns) {
  std::vector<Reader> readers;
  for (const ArrowColumn& column : data) readers.push_back(arrow_reader(column));
  count_columns(readers, data.empty() ? 0 : data[0].length(), options, most_bins, columns);
}

void count_values(const Slices& slices, const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns) {
  count_groups(GroupOrder(slices), {{slices.values}}, options, most_bins, columns);
}

void count_values(const std::vector<ArrowColumn>& data, const RowGroups& groups,
                  const AccumulateOptions& options, int64_t most_bins,
                  std::vector<Column>& columns) {
  count_groups(GroupOrder(groups), data, options, most_bins, columns);
}

}  // namespace evenly
