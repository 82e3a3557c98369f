#include "scale/scale.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "base/cache.h"
#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "scale/scale_run.h"

namespace evenly {
namespace {

// Short lines are merged to about this many values: long enough for prefetching, and short enough
// that the constants of one line fit into the L1 cache.
constexpr int64_t kLongLine = 2048;

struct PairAxis {
  int64_t extent;
  int64_t x_stride;
  int64_t out_stride;
};

// Lines of values, contiguous in both arrays or gathered from both; line i starts at the i-th
// combination of axes. With `features`, value j of a line belongs to column j % columns; otherwise
// a whole line belongs to the column that the first axis selects.
struct LineLayout {
  std::vector<PairAxis> axes;  // the feature axis is first if a line belongs to one column
  PairAxis line{1, 1, 1};
  bool features = false;

  int64_t count() const {
    int64_t count = 1;
    for (const PairAxis& axis : axes) count *= axis.extent;
    return count;
  }
};

// The non-feature axes, largest strides first, merged where both arrays are contiguous.
std::vector<PairAxis> joined_axes(const Array& x, const Array& out) {
  std::vector<PairAxis> axes, joined;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (int(i) != x.feature_axis && x.shape[i] != 1)
      axes.push_back({x.shape[i], x.strides[i], out.strides[i]});
  }
  std::stable_sort(axes.begin(), axes.end(), [](const PairAxis& a, const PairAxis& b) {
    return std::abs(a.out_stride) > std::abs(b.out_stride);
  });
  for (const PairAxis& axis : axes) {
    bool continues = !joined.empty() && joined.back().x_stride == axis.extent * axis.x_stride &&
                     joined.back().out_stride == axis.extent * axis.out_stride;
    if (continues) {
      joined.back() = {joined.back().extent * axis.extent, axis.x_stride, axis.out_stride};
    } else {
      joined.push_back(axis);
    }
  }
  return joined;
}

LineLayout line_layout(const Array& x, const Array& out) {
  LineLayout lines;
  lines.axes = joined_axes(x, out);
  int64_t columns = x.columns();
  PairAxis feature{columns, 0, 0};
  if (x.feature_axis >= 0) {
    std::size_t axis = std::size_t(x.feature_axis);
    feature = {columns, x.strides[axis], out.strides[axis]};
  }
  bool run =
      !lines.axes.empty() && std::abs(lines.axes.back().out_stride) < std::abs(feature.out_stride);
  lines.features = columns > 1 && !run;
  if (lines.features) {
    lines.line = feature;
  } else {
    if (!lines.axes.empty()) {
      lines.line = lines.axes.back();
      lines.axes.pop_back();
    }
    lines.axes.insert(lines.axes.begin(), feature);
  }
  return lines;
}

// The constants of the columns, repeated so that several short lines are processed as one.
class PackedConstants {
 public:
  PackedConstants(const ScaleOptions& options, int64_t columns, int64_t repeat)
      : pitch_((columns * repeat + 511) / 512 * 512 + kApart),
        values_(static_cast<double*>(
            ::operator new[](std::size_t(3 * pitch_) * sizeof(double), kLine))) {
    const double* from[] = {options.high, options.low, options.factor};
    for (int64_t part = 0; part < 3; ++part) {
      for (int64_t i = 0; i < repeat; ++i) {
        std::copy_n(from[part], columns, values_.get() + part * pitch_ + i * columns);
      }
    }
  }
  const double* high() const { return values_.get(); }
  const double* low() const { return values_.get() + pitch_; }
  const double* factor() const { return values_.get() + 2 * pitch_; }

 private:
  // Addresses with equal low 12 bits share a cache set, so the three arrays are offset from each
  // other.
  static constexpr int64_t kApart = 136;
  static constexpr std::align_val_t kLine{
      kCacheLineBytes};  // a load across a cache line takes two accesses
  struct Free {
    void operator()(double* values) const { ::operator delete[](values, kLine); }
  };
  int64_t pitch_;
  std::unique_ptr<double[], Free> values_;
};

template <class In, class Out>
class Scaler {
 public:
  Scaler(const Array& x, const Array& out, const ScaleOptions& options)
      : x_(static_cast<const In*>(x.data)),
        out_(static_cast<Out*>(const_cast<void*>(out.data))),
        options_(options),
        lines_(line_layout(x, out)) {
    int64_t bytes = x.columns() * x.rows() * int64_t(sizeof(In) + sizeof(Out));
    threads_ = useful_threads(bytes, options.threads);
    large_ = bytes >= 2 * kStreamBytes && x.data != out.data;
    merge_short_lines();
  }

  void run() {
    PackedConstants constants(options_, columns(), repeat_);
    run_lines(constants.high(), constants.low(), constants.factor());
  }

 private:
  int64_t columns() const {
    return lines_.features ? lines_.line.extent / repeat_ : lines_.axes[0].extent;
  }

  // Processes adjacent short lines as one; the last merged line may be shorter.
  void merge_short_lines() {
    if (!lines_.features || !contiguous() || lines_.axes.size() != 1) return;
    PairAxis &line = lines_.line, &rows = lines_.axes[0];
    dense_ = rows.x_stride == line.extent && rows.out_stride == line.extent;
    full_lines_ = rows.extent;
    if (dense_) {
      end_ = rows.extent * line.extent;
      repeat_ = std::min(kLongLine / line.extent, rows.extent / lines_at_once_);
      int64_t alike = alignment_period(line.extent);
      if (repeat_ > alike) repeat_ -= repeat_ % alike;
      repeat_ = std::max<int64_t>(repeat_, 1);
      line.extent *= repeat_;
      rows = {(rows.extent + repeat_ - 1) / repeat_, line.extent, line.extent};
      full_lines_ = end_ / line.extent;
    }
    if (stream()) line_gap_ = alignment_period(rows.out_stride);
  }

  // After how many lines the position within a cache line repeats.
  static int64_t alignment_period(int64_t stride) {
    return kCacheLineBytes / std::gcd(stride * int64_t(sizeof(Out)), kCacheLineBytes);
  }

  // Whether outputs are written past the caches.
  bool stream() const { return large_ && (dense_ || !lines_.features); }
  bool contiguous() const { return lines_.line.x_stride == 1 && lines_.line.out_stride == 1; }

  // Tasks are ranges of lines or, if there are few lines, ranges of the values of all lines.
  void run_lines(const double* high, const double* low, const double* factor) {
    const int64_t lines = lines_.count(), extent = lines_.line.extent;
    const int64_t block = lines_at_once_ * line_gap_;
    const bool by_line = lines >= 4 * threads_;
    const int64_t unit = lines >= 4 * threads_ * block ? block : 1,
                  units = (lines + unit - 1) / unit;
    int64_t tasks = threads_ == 1 ? 1 : std::min<int64_t>(8 * threads_, by_line ? units : extent);
    parallel(tasks, threads_, [&](int64_t task) {
      ScopedFpEnvironment fp_environment;
      if (by_line) {
        int64_t first = split_point(units, tasks, task) * unit,
                last = split_point(units, tasks, task + 1) * unit;
        scale_lines(first, std::min(last, lines), 0, extent, high, low, factor);
      } else {
        int64_t from = split_point(extent, tasks, task), to = split_point(extent, tasks, task + 1);
        scale_lines(0, lines, from, to, high, low, factor);
      }
#if defined(__x86_64__)
      _mm_sfence();  // makes streaming stores visible before the task is reported as done
#endif
    });
  }

  // Lines that start at the same position within a cache line are scaled several at a time, so that
  // the constants are loaded once for all of them.
  void scale_lines(int64_t line, int64_t end, int64_t from, int64_t to, const double* high,
                   const double* low, const double* factor) {
    const int64_t block = lines_at_once_ * line_gap_;
    for (; line + block <= std::min(end, full_lines_); line += block) {
      for (int64_t i = 0; i < line_gap_; ++i) {
        int64_t next = i + 1 < line_gap_ ? 1 : block - i;
        scale_line(line + i, lines_at_once_, next, from, to, high, low, factor);
      }
    }
    for (; line < end; ++line) scale_line(line, 1, 1, from, to, high, low, factor);
  }

  static std::pair<int64_t, int64_t> offsets(const std::vector<PairAxis>& axes, int64_t index) {
    int64_t x = 0, out = 0;
    for (std::size_t i = axes.size(); i-- > 0;) {
      int64_t at = index % axes[i].extent;
      x += at * axes[i].x_stride;
      out += at * axes[i].out_stride;
      index /= axes[i].extent;
    }
    return {x, out};
  }

  // Scales lines index, index + line_gap_, …; the lines that follow start `next` lines later.
  void scale_line(int64_t index, int lines, int64_t next, int64_t from, int64_t to,
                  const double* high, const double* low, const double* factor) {
    auto [x, out] = offsets(lines_.axes, index);
    if (stream() && contiguous()) {  // split at cache lines
      int64_t shift =
          int64_t(-reinterpret_cast<uintptr_t>(out_ + out) % kCacheLineBytes / sizeof(Out));
      if (from > 0) from += shift;
      if (to < lines_.line.extent) to = std::min(to + shift, lines_.line.extent);
    }
    if (repeat_ > 1) to = std::min(to, end_ - x);
    if (from >= to) return;
    int64_t first = from;
    if (!lines_.features) {
      int64_t inner = 1;
      for (std::size_t i = 1; i < lines_.axes.size(); ++i) inner *= lines_.axes[i].extent;
      first = index / inner;
    }
    ScaleLines row{high + first,     low + first,          factor + first, !lines_.features,
                   options_.inverse, options_.nan_to_zero, stream()};
    row.lines = lines;
    if (lines_.axes.size() == 1) {
      row.x_step = line_gap_ * lines_.axes[0].x_stride;
      row.out_step = line_gap_ * lines_.axes[0].out_stride;
      row.next = next * lines_.axes[0].x_stride - (to - from);
    }
    if (contiguous()) return scale_run(x_ + x + from, out_ + out + from, to - from, row);
    scale_strided(x_ + x, out_ + out, from, to, row);
  }

  void scale_strided(const In* x, Out* out, int64_t from, int64_t to, ScaleLines row) {
    constexpr int64_t kBufferValues = 512;
    In values[kBufferValues];
    Out results[kBufferValues];
    row.stream = false;
    for (int64_t at = from; at < to; at += kBufferValues) {
      int64_t count = std::min(kBufferValues, to - at);
      for (int64_t i = 0; i < count; ++i) values[i] = x[(at + i) * lines_.line.x_stride];
      scale_run<In, Out>(values, results, count, row);
      for (int64_t i = 0; i < count; ++i) out[(at + i) * lines_.line.out_stride] = results[i];
      if (!row.broadcast) {
        row.high += count;
        row.low += count;
        row.factor += count;
      }
    }
  }

  const In* x_;
  Out* out_;
  ScaleOptions options_;
  LineLayout lines_;
  int threads_ = 1;
  const int lines_at_once_ = chosen_kernels() ? chosen_kernels()->lines_at_once : 1;
  bool large_ = false, dense_ = false;
  int64_t repeat_ = 1;      // rows merged into a line
  int64_t end_ = 0;         // elements of all lines, if dense
  int64_t full_lines_ = 0;  // evenly spaced lines that can be scaled several at a time ...
  int64_t line_gap_ = 1;    // ... and their spacing, in lines
};

template <class Out>
void scale_to(const Array& x, const Array& out, const ScaleOptions& options) {
  with_type(x.dtype, [&](auto* type) {
    Scaler<std::remove_pointer_t<decltype(type)>, Out>(x, out, options).run();
  });
}

}  // namespace

void scale(const Array& x, const Array& out, const ScaleOptions& options) {
  if (x.rows() == 0 || x.columns() == 0) return;
  with_floating_type(out.dtype, [&](auto* type) {
    scale_to<std::remove_pointer_t<decltype(type)>>(x, out, options);
  });
}

}  // namespace evenly
