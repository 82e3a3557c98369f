#include "distribution/count_values.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "distribution/column_reader.h"
#include "distribution/ordered_bits.h"
#include "distribution/value_counter.h"
#include "sum/group_order.h"

namespace evenly {
namespace {

using Reader = std::unique_ptr<ColumnReader>;

// A counter's tables take 0.2 to 0.8 MB. Fewer values are sorted instead.
constexpr int64_t kMinCounterValues = 1024;
// A counter needs some 0.2 ms to find the bins, the time of this many values.
constexpr int64_t kMinPartRows = 1 << 17;

// Counts the values of a few columns, which may share cache lines.
class RowCounter {
 public:
  RowCounter(int64_t most_bins, const double* weights)
      : most_bins_(most_bins), weights_(weights), buffer_(ValueCounter::kBlock) {
    if (weights) row_weights_.resize(ValueCounter::kBlock);
  }

  // Sets into[i] to the histogram of rows [row0, row1) of readers[i].
  void count(const Reader* readers, int64_t columns, int64_t row0, int64_t row1, Histogram* into) {
    if (!weights_ && row1 - row0 <= kMinCounterValues) {
      for (int64_t i = 0; i < columns; ++i) into[i] = sorted(*readers[i], row0, row1);
      return;
    }
    while (int64_t(counters_.size()) < columns) counters_.emplace_back(most_bins_);
    for (int64_t row = row0; row < row1; row += ValueCounter::kBlock) {
      const int64_t count = std::min(ValueCounter::kBlock, row1 - row);
      for (int64_t i = 0; i < columns; ++i) add(counters_[std::size_t(i)], *readers[i], row, count);
    }
    for (int64_t i = 0; i < columns; ++i) into[i] = counters_[std::size_t(i)].take();
  }

  // The histogram of the rows of a group.
  Histogram count(const ColumnReader& reader, const Rows& group) {
    if (!weights_ && group.count <= kMinCounterValues) return sorted(reader, 0, group.count);
    if (counters_.empty()) counters_.emplace_back(most_bins_);
    for (int64_t from = 0; from < group.count; from += ValueCounter::kBlock) {
      const Rows part = group.part(from, ValueCounter::kBlock);
      const double* values = reader.read(from, part.count, buffer_.data());
      if (weights_) {
        for (int64_t i = 0; i < part.count; ++i) row_weights_[std::size_t(i)] = weights_[part[i]];
        counters_[0].add(values, row_weights_.data(), part.count);
      } else {
        counters_[0].add(values, part.count);
      }
    }
    return counters_[0].take();
  }

 private:
  void add(ValueCounter& counter, const ColumnReader& reader, int64_t row, int64_t count) {
    const double* values = reader.read(row, count, buffer_.data());
    weights_ ? counter.add(values, weights_ + row, count) : counter.add(values, count);
  }

  Histogram sorted(const ColumnReader& reader, int64_t row0, int64_t row1) {
    const double* values = reader.read(row0, row1 - row0, buffer_.data());
    keys_.clear();
    for (int64_t i = 0; i < row1 - row0; ++i) {
      if (is_finite_bits(values[i])) keys_.push_back(ordered_bits(values[i]));
    }
    return Histogram(most_bins_, 0, count_keys(keys_));
  }

  int64_t most_bins_;
  const double* weights_;
  std::vector<double> buffer_, row_weights_;
  std::vector<uint64_t> keys_;
  std::vector<ValueCounter> counters_;
};

void check_counts(const std::vector<Column>& columns) {
  for (const Column& column : columns) column.check_countable();
}

// Columns of equal length, read by tasks of `together` columns and some rows.
void count_columns(const std::vector<Reader>& readers, int64_t rows, int64_t together,
                   const AccumulateOptions& options, int64_t most_bins,
                   std::vector<Column>& columns) {
  check_counts(columns);
  const int64_t width = int64_t(readers.size());
  const int useful = useful_threads(width * rows * int64_t(sizeof(double)), options.threads);
  const int64_t strips = (width + together - 1) / together;
  int64_t parts = std::clamp<int64_t>(rows / kMinPartRows, 1, task_count(strips, useful));
  if (strips == 1 && parts > useful) parts -= parts % useful;
  std::vector<Histogram> counts(std::size_t(width * parts), Histogram(most_bins));
  parallel(strips * parts, useful, [&](int64_t task) {
    ScopedFpEnvironment fp_environment;
    const int64_t strip = task / parts, part = task % parts, first = strip * together;
    RowCounter(most_bins, options.weights)
        .count(readers.data() + first, std::min(together, width - first),
               split_point(rows, parts, part), split_point(rows, parts, part + 1),
               counts.data() + part * width + first);
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
  const std::vector<Axis> axes = in_order ? row_axes(array) : grid.others;
  const int64_t step = in_order ? feature_stride(array) : grid.feature.stride;
  const int64_t width = array.columns();
  with_type(array.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const T* data =
        static_cast<const T*>(in_order ? array.data : static_cast<const void*>(grid.data));
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = !in_order && grid.feature_reversed ? width - 1 - i : i;
      readers.push_back(std::make_unique<StridedReader<T>>(data + at * step, axes));
    }
  });
  // Columns side by side in memory share cache lines.
  const int64_t line = 64 / size_of(array.dtype);
  const bool adjacent = step == 1 || step == -1;
  count_columns(readers, array.rows(), adjacent ? std::min<int64_t>(line, 16) : 1, options,
                most_bins, columns);
}

void count_values(const std::vector<ArrowColumn>& data, const AccumulateOptions& options,
                  int64_t most_bins, std::vector<Column>& columns) {
  std::vector<Reader> readers;
  for (const ArrowColumn& column : data) readers.push_back(arrow_reader(column));
  count_columns(readers, data.empty() ? 0 : data[0].length(), 1, options, most_bins, columns);
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
