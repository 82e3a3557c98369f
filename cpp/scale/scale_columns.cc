#include "scale/scale_columns.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/cache.h"
#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "scale/scale_run.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace evenly {
namespace {

// What one task scales of a column at a time; a multiple of a cache line for every type.
constexpr int64_t kChunkRows = 1 << 15;

struct RowRange {
  int64_t from, to;
};

class TableScaler {
 public:
  TableScaler(const std::vector<ArrowColumn>& columns, const std::vector<FloatColumn>& outs,
              const ColumnScales& scales)
      : columns_(columns), outs_(outs), scales_(scales), rows_(columns[0].length()) {
    int64_t bytes = 0;
    for (std::size_t i = 0; i < columns.size(); ++i)
      bytes += rows_ * (size_of(columns[i].values.dtype) + size_of(outs[i].dtype));
    threads_ = useful_threads(bytes, scales.threads);
    stream_ = bytes >= 2 * kStreamBytes;
  }

  void run() {
    const int64_t chunks = (rows_ + kChunkRows - 1) / kChunkRows;
    const int64_t units = chunks * int64_t(columns_.size());
    const int64_t tasks = threads_ == 1 ? 1 : std::min<int64_t>(8 * threads_, units);
    parallel(tasks, threads_, [&](int64_t task) {
      ScopedFpEnvironment fp_environment;
      for (int64_t unit = split_point(units, tasks, task);
           unit < split_point(units, tasks, task + 1); ++unit) {
        int64_t from = unit % chunks * kChunkRows;
        scale_chunk(std::size_t(unit / chunks), {from, std::min(from + kChunkRows, rows_)});
      }
#if defined(__x86_64__)
      _mm_sfence();  // makes streaming stores visible before the task is reported as done
#endif
    });
  }

 private:
  void scale_chunk(std::size_t index, RowRange rows) {
    with_type(columns_[index].values.dtype, [&](auto* in) {
      using In = std::remove_pointer_t<decltype(in)>;
      if (outs_[index].dtype == DType::kFloat32) return scale_rows<In, float>(index, rows);
      scale_rows<In, double>(index, rows);
    });
  }

  template <class In, class Out>
  void scale_rows(std::size_t index, RowRange rows) {
    const Array& values = columns_[index].values;
    const In* x = static_cast<const In*>(values.data);
    Out* out = static_cast<Out*>(outs_[index].data);
    const int64_t stride = values.strides[0];
    if (scales_.groups || power(index) != 0) {
      scale_one_by_one(index, x, stride, out, rows);
    } else {
      scale_alike(index, x, stride, out, rows);
    }
    if (columns_[index].validity) fill_missing(columns_[index], out, rows);
  }

  // Scales rows by the same three numbers.
  template <class In, class Out>
  void scale_alike(std::size_t index, const In* x, int64_t stride, Out* out, RowRange rows) {
    ScaleLines line{scales_.high + index,
                    scales_.low + index,
                    scales_.factor + index,
                    true,
                    scales_.inverse,
                    scales_.nan_to_zero,
                    stream_};
    if (stride == 1) return scale_run(x + rows.from, out + rows.from, rows.to - rows.from, line);
    constexpr int64_t kBufferValues = 512;
    In gathered[kBufferValues];
    for (int64_t at = rows.from; at < rows.to; at += kBufferValues) {
      const int64_t count = std::min(kBufferValues, rows.to - at);
      for (int64_t i = 0; i < count; ++i) gathered[i] = x[(at + i) * stride];
      scale_run<In, Out>(gathered, out + at, count, line);
    }
  }

  template <class In, class Out>
  void scale_one_by_one(std::size_t index, const In* x, int64_t stride, Out* out, RowRange rows) {
    for (int64_t row = rows.from; row < rows.to; ++row) {
      const In element = x[row * stride];
      const int64_t at = entry(index, scales_.groups ? scales_.groups[row] : 0);
      const ScaleNumbers by{scales_.high[at], scales_.low[at], scales_.factor[at]};
      const int power = scales_.power ? int(scales_.power[at]) : 0;
      double y;
      if (power == 0) {
        y = scaled_value(element, by, scales_.inverse);
      } else if (scales_.inverse) {
        y = std::ldexp(scaled_value(element, by, true), -power);
      } else {
        y = scaled_value(std::ldexp(double(to_number(element)), power), by, false);
      }
      round_to(scales_.nan_to_zero && is_nan(element) ? 0 : y, out[row]);
    }
  }

  template <class Out>
  void fill_missing(const ArrowColumn& column, Out* out, RowRange rows) {
    const Out fill = scales_.nan_to_zero ? Out(0) : std::numeric_limits<Out>::quiet_NaN();
    for (int64_t row = rows.from; row < rows.to; ++row) {
      const int64_t bit = column.bit_offset + row;
      if ((bit & 7) == 0 && column.validity[bit >> 3] == 0xff) {
        row += 7;  // eight rows with values
      } else if (!column.has_value(row)) {
        out[row] = fill;
      }
    }
  }

  int64_t entry(std::size_t column, int64_t group) const {
    return group * int64_t(columns_.size()) + int64_t(column);
  }
  int64_t power(std::size_t column) const { return scales_.power ? scales_.power[column] : 0; }

  const std::vector<ArrowColumn>& columns_;
  const std::vector<FloatColumn>& outs_;
  const ColumnScales& scales_;
  const int64_t rows_;
  int threads_ = 1;
  bool stream_ = false;
};

}  // namespace

void scale_columns(const std::vector<ArrowColumn>& columns, const std::vector<FloatColumn>& outs,
                   const ColumnScales& scales) {
  if (columns.empty() || columns[0].length() == 0) return;
  TableScaler(columns, outs, scales).run();
}

}  // namespace evenly
