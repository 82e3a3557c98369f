#include "scale.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "control.h"
#include "plain.h"
#include "rounding.h"
#include "threads.h"
#include "tile.h"

namespace evenly {
namespace {

constexpr int64_t kWorthAThread = 128 << 10;  // bytes
constexpr int64_t kTogether = 2048;           // values of one kernel call: its columns' constants stay in the cache
constexpr int64_t kStreamBytes = 8 << 20;     // output that no cache would keep is written past it

struct PairAxis {
  int64_t extent;
  int64_t x_stride;
  int64_t out_stride;
};

// Lines of `count` values, contiguous in both arrays or (gathered) neither; line i starts at
// the i-th combination of axes. With `features`, value j of a line belongs to column j % columns,
// else all of it to the column that the axis before the others selects.
struct Lines {
  std::vector<PairAxis> axes;  // the feature axis first when a line is one column's
  PairAxis line{1, 1, 1};
  bool features = false;

  int64_t count() const {
    int64_t count = 1;
    for (const PairAxis& axis : axes) count *= axis.extent;
    return count;
  }
};

// The non-feature axes, largest steps first, joined where both arrays continue.
std::vector<PairAxis> joined_axes(const Array& x, const Array& out) {
  std::vector<PairAxis> axes, joined;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (int(i) != x.feature_axis && x.shape[i] != 1) axes.push_back({x.shape[i], x.strides[i], out.strides[i]});
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

Lines lines_of(const Array& x, const Array& out) {
  Lines lines;
  lines.axes = joined_axes(x, out);
  int64_t columns = x.columns();
  PairAxis feature{columns, 0, 0};
  if (x.feature_axis >= 0) {
    std::size_t axis = std::size_t(x.feature_axis);
    feature = {columns, x.strides[axis], out.strides[axis]};
  }
  bool run = !lines.axes.empty() && std::abs(lines.axes.back().out_stride) < std::abs(feature.out_stride);
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

// The constants of the columns of a line, repeated so that several short lines make one.
struct Constants {
  std::vector<double> high, low, factor;
  Constants(const ScaleOptions& options, int64_t columns, int64_t repeat) {
    for (int64_t i = 0; i < repeat; ++i) {
      high.insert(high.end(), options.high, options.high + columns);
      low.insert(low.end(), options.low, options.low + columns);
      factor.insert(factor.end(), options.factor, options.factor + columns);
    }
  }
};

template <class In, class Out>
class Scaler {
 public:
  Scaler(const Array& x, const Array& out, const ScaleOptions& options)
      : x_(static_cast<const In*>(x.data)), out_(static_cast<Out*>(const_cast<void*>(out.data))),
        options_(options), lines_(lines_of(x, out)) {
    int64_t bytes = x.columns() * x.rows() * int64_t(sizeof(In) + sizeof(Out));
    threads_ = int(std::clamp<int64_t>(bytes / kWorthAThread, 1, options.threads));
    stream_ = bytes >= 2 * kStreamBytes && x.data != out.data;
    fold();
  }

  void run() {
    if (lines_.features) {
      Constants constants(options_, columns(), repeat_);
      run_lines(constants.high.data(), constants.low.data(), constants.factor.data());
    } else {
      run_lines(options_.high, options_.low, options_.factor);
    }
  }

 private:
  int64_t columns() const { return lines_.features ? lines_.line.extent / repeat_ : lines_.axes[0].extent; }

  // Short lines that follow each other without a gap are read as one of several.
  void fold() {
    PairAxis& line = lines_.line;
    if (!lines_.features || lines_.axes.empty()) return;
    PairAxis& rows = lines_.axes.back();
    bool dense = contiguous() && rows.x_stride == line.extent && rows.out_stride == line.extent;
    dense_ = dense;
    if (!dense || line.extent >= kTogether) return;
    for (int64_t wanted = kTogether / line.extent; wanted > 1; --wanted) {
      if (rows.extent % wanted != 0 && wanted > 2 && rows.extent > 64 * wanted) {
        rest_ = rows.extent % wanted;
      } else if (rows.extent % wanted != 0) {
        continue;
      }
      repeat_ = wanted;
      break;
    }
    if (repeat_ == 1) return;
    rest_start_ = rows.extent - rest_;
    line = {line.extent * repeat_, 1, 1};
    rows = {rows.extent / repeat_, line.extent, line.extent};
  }

  bool contiguous() const { return lines_.line.x_stride == 1 && lines_.line.out_stride == 1; }

  void run_lines(const double* high, const double* low, const double* factor) {
    int64_t lines = lines_.count(), length = lines_.line.extent;
    int64_t pieces_of_line = (length + kTogether - 1) / kTogether;
    if (!lines_.features) pieces_of_line = (length + 16 * kTogether - 1) / (16 * kTogether);
    // A task is a strip of the lines' values over a range of lines.
    int64_t ranges = std::clamp<int64_t>(threads_ == 1 ? 1 : 8 * threads_ / pieces_of_line, 1, std::max<int64_t>(lines, 1));
    parallel(pieces_of_line * ranges, threads_, [&](int64_t task) {
      ExactMode mode;
      int64_t piece = task % pieces_of_line, range = task / pieces_of_line;
      int64_t from = length * piece / pieces_of_line, to = length * (piece + 1) / pieces_of_line;
      for (int64_t line = lines * range / ranges; line < lines * (range + 1) / ranges; ++line) {
        scale_line(line, from, to, high, low, factor);
      }
#if defined(__x86_64__)
      _mm_sfence();  // streamed stores are seen by whoever is told that we are done
#endif
    });
    scale_rest(high, low, factor);
  }

  // What is left over from folding: rest_ short lines at the end of each run of lines.
  void scale_rest(const double* high, const double* low, const double* factor) {
    if (rest_ == 0) return;
    std::vector<PairAxis> outer(lines_.axes.begin(), lines_.axes.end() - 1);
    int64_t count = 1;
    for (const PairAxis& axis : outer) count *= axis.extent;
    int64_t width = columns() * rest_;
    for (int64_t i = 0; i < count; ++i) {
      auto [x, out] = offsets(outer, i);
      int64_t start = rest_start_ * columns();
      apply(x_ + x + start, out_ + out + start, width, {high, low, factor, false, options_.inverse, options_.nan_to_zero, false});
    }
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

  void scale_line(int64_t index, int64_t from, int64_t to, const double* high, const double* low,
                  const double* factor) {
    auto [x, out] = offsets(lines_.axes, index);
    int64_t first = from;
    if (!lines_.features) {
      int64_t inner = 1;
      for (std::size_t i = 1; i < lines_.axes.size(); ++i) inner *= lines_.axes[i].extent;
      first = index / inner;
    }
    bool stream = stream_ && (dense_ || !lines_.features);
    ScaleRow row{high + first, low + first, factor + first, !lines_.features,
                 options_.inverse, options_.nan_to_zero, stream};
    if (contiguous()) return apply(x_ + x + from, out_ + out + from, to - from, row);
    scale_strided(x_ + x, out_ + out, from, to, row);
  }

  void scale_strided(const In* x, Out* out, int64_t from, int64_t to, ScaleRow row) {
    constexpr int64_t kRoom = 512;
    In values[kRoom];
    Out results[kRoom];
    row.stream = false;
    for (int64_t at = from; at < to; at += kRoom) {
      int64_t count = std::min(kRoom, to - at);
      for (int64_t i = 0; i < count; ++i) values[i] = x[(at + i) * lines_.line.x_stride];
      apply(values, results, count, row);
      for (int64_t i = 0; i < count; ++i) out[(at + i) * lines_.line.out_stride] = results[i];
      if (!row.broadcast) {
        row.high += count;
        row.low += count;
        row.factor += count;
      }
    }
  }

  void apply(const In* x, Out* out, int64_t count, ScaleRow row) {
    const Kernels* kernels = chosen_kernels();
    if constexpr (std::is_same_v<In, float> && std::is_same_v<Out, float>) {
      if (kernels) return kernels->scale_float32(x, out, count, row);
    } else if constexpr (std::is_same_v<In, double> && std::is_same_v<Out, double>) {
      if (kernels) return kernels->scale_float64(x, out, count, row);
    }
    for (int64_t i = 0; i < count; ++i) {
      int64_t c = row.broadcast ? 0 : i;
      round_to(scaled_value(x[i], row, c), out[i]);
    }
  }

  static double scaled_value(In element, const ScaleRow& row, int64_t c) {
    auto value = number(element);
    double x = double(value), rest = 0;
    // A 64-bit integer may not fit: the difference is taken before it is rounded.
    if constexpr (std::is_integral_v<decltype(value)> && sizeof(value) == 8) {
      rest = double(int64_t(int128(value) - int128(x)));
    }
    double y = row.inverse ? (x * row.factor[c] + row.low[c]) + row.high[c]
                           : ((x - row.high[c]) + (rest - row.low[c])) * row.factor[c];
    if constexpr (std::is_floating_point_v<decltype(value)>) {
      y = row.inverse ? y : ((x - row.high[c]) - row.low[c]) * row.factor[c];
      if (row.nan_to_zero && x != x) return 0;
    }
    return y;
  }

  const In* x_;
  Out* out_;
  ScaleOptions options_;
  Lines lines_;
  int threads_ = 1;
  bool stream_ = false, dense_ = false;
  int64_t repeat_ = 1, rest_ = 0, rest_start_ = 0;
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
  switch (out.dtype) {
    case DType::kFloat16: return scale_to<Half>(x, out, options);
    case DType::kBfloat16: return scale_to<Brain>(x, out, options);
    case DType::kFloat32: return scale_to<float>(x, out, options);
    default: return scale_to<double>(x, out, options);
  }
}

}  // namespace evenly
