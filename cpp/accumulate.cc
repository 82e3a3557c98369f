#include "accumulate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>

#include "control.h"
#include "lanes.h"
#include "plain.h"
#include "threads.h"
#include "tile.h"

namespace evenly {
namespace {

constexpr int64_t kWorthAThread = 128 << 10;  // bytes: less is over before another thread wakes
constexpr int64_t kStripBytes = 2 << 10;      // of a row: half a page

// The columns that the tasks of one call add to. Tasks hold them only while they flush.
class Sink {
 public:
  explicit Sink(int64_t columns, int64_t rows) : columns_(std::size_t(columns)) {
    for (Column& column : columns_) column.count = rows;
  }
  Column& operator[](int64_t index) { return columns_[std::size_t(index)]; }
  std::mutex& mutex_of(int64_t column) { return mutexes_[std::size_t(column / 256 % 64)]; }
  std::vector<Column> take() { return std::move(columns_); }
  int64_t size() const { return int64_t(columns_.size()); }

 private:
  std::vector<Column> columns_;
  std::array<std::mutex, 64> mutexes_;
};

// The columns of one task. Tasks that run beside others add to columns of their own, made at
// first use, and hand those over at the end; a task on its own adds to the sink.
class Own {
 public:
  Own(Sink& sink, bool alone, int64_t first, int64_t count)
      : sink_(sink), alone_(alone), first_(first), count_(count) {}
  Column& operator[](int64_t column) {
    if (alone_) return sink_[column];
    if (columns_.empty()) columns_.resize(std::size_t(count_));
    return columns_[std::size_t(column - first_)];
  }
  void hand_over() {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      int64_t column = first_ + int64_t(i);
      std::lock_guard lock(sink_.mutex_of(column));
      sink_[column].add(columns_[i]);
    }
    columns_.clear();
  }

 private:
  Sink& sink_;
  bool alone_;
  int64_t first_, count_;
  std::vector<Column> columns_;
};

struct Shared {
  const Kernels& kernels;
  Sink& sink;
  InfinityRule rule;
  std::atomic<bool> infinite{false};
};

LaneMask first_lanes(int64_t count) {
  return count >= 128 ? ~LaneMask(0) : (LaneMask(1) << count) - 1;
}

// Sums rows [row0, row1) of the values [first, last) of a panel's rows.
template <class T>
class PanelTask {
 public:
  PanelTask(Shared& shared, const Panel& shape, int64_t first, int64_t last, bool alone)
      : shared_(shared), shape_(shape), first_(first), last_(last),
        strips_(std::size_t((last - first + kCount - 1) / kCount)),
        own_(shared.sink, alone, lowest_column(), highest_column() - lowest_column() + 1) {
    infinity_.missing = shared.rule.missing;
  }

  void sum(const char* data, int64_t row0, int64_t row1) {
    const S* values = reinterpret_cast<const S*>(data) + first_;
    int64_t safe = std::clamp(readable_rows(), row0, row1);
    for (int64_t row = row0; row < safe; row += kTileRows) {
      sum_block(values + row * shape_.row_stride, int(std::min<int64_t>(kTileRows, safe - row)));
    }
    for (int64_t row = safe; row < row1; row += kTileRows) {
      sum_copy(values + row * shape_.row_stride, int(std::min<int64_t>(kTileRows, row1 - row)));
    }
  }

  void finish() {
    for (int s = 0; s < int(strips_.size()); ++s) {
      strips_[std::size_t(s)].flush(lanes_of(s),
                                    [&](int lane) -> Column& { return own_column(s, lane); });
    }
    own_.hand_over();
    if (infinity_.seen && !infinity_.missing) shared_.infinite = true;
  }

 private:
  using S = Stored<T>;
  static constexpr int kCount = Strip<T>::kCount;

  int64_t lowest_column() const {
    return last_ - first_ >= shape_.inner * shape_.columns || shape_.column(last_ - 1) < shape_.column(first_)
               ? shape_.first_column
               : shape_.column(first_);
  }
  int64_t highest_column() const {
    return last_ - first_ >= shape_.inner * shape_.columns || shape_.column(last_ - 1) < shape_.column(first_)
               ? shape_.first_column + shape_.columns - 1
               : shape_.column(last_ - 1);
  }
  LaneMask lanes_of(int s) const {
    return first_lanes(std::min<int64_t>(kCount, last_ - first_ - int64_t(s) * kCount));
  }
  Column& own_column(int s, int lane) {
    return own_[shape_.column(first_ + int64_t(s) * kCount + lane)];
  }

  // The last tile of a row may be wider than what is left of the row. Reading on into the next
  // row does no harm; reading on past the panel might. This many rows are safe.
  int64_t readable_rows() const {
    int64_t spare = (shape_.rows - 1) * shape_.row_stride + shape_.width - first_;
    spare -= int64_t(strips_.size()) * kCount;
    if (spare < 0) return 0;
    return shape_.row_stride > 0 ? spare / shape_.row_stride + 1 : shape_.rows;
  }

  // Up to kTileRows rows where they lie, a portion of rows at a time.
  void sum_block(const S* data, int rows) {
    for (Strip<T>& strip : strips_) strip.start(shared_.kernels);
    int pieces = int(strips_.size());
    int portion = int(std::clamp<int64_t>(Strip<T>::kPortionBytes / (pieces * kTileBytes), 1, rows));
    for (int row = 0; row < rows; row += portion) {
      int count = std::min(portion, rows - row);
      const S* from = data + row * shape_.row_stride;
      Ahead ahead = ahead_of(from + portion * shape_.row_stride);
      for (int s = 0; s < pieces; ++s) {
        strips_[std::size_t(s)].rows(shared_.kernels, from + s * kCount, shape_.row_stride, count,
                                     &ahead, lanes_of(s),
                                     [&](int lane) -> Column& { return own_column(s, lane); });
      }
    }
    for (int s = 0; s < pieces; ++s) {
      finish_tile(s, data + s * kCount, shape_.row_stride, rows);
    }
  }

  // The rows that begin at data. (Fetching what is not there does no harm.)
  Ahead ahead_of(const S* data) const {
    int pieces = int(strips_.size());
    int64_t row_bytes = shape_.row_stride * int64_t(sizeof(S));
    return {reinterpret_cast<const char*>(data), pieces, row_bytes - pieces * kTileBytes};
  }

  // Up to kTileRows rows, copied.
  void sum_copy(const S* data, int rows) {
    alignas(64) S copy[kTileRows * kCount];
    for (int s = 0; s < int(strips_.size()); ++s) {
      int64_t width = std::min<int64_t>(kCount, last_ - first_ - int64_t(s) * kCount);
      std::memset(static_cast<void*>(copy), 0, std::size_t(rows) * kCount * sizeof(S));
      for (int r = 0; r < rows; ++r) {
        std::memcpy(copy + r * kCount, data + s * kCount + r * shape_.row_stride,
                    std::size_t(width) * sizeof(S));
      }
      strips_[std::size_t(s)].start(shared_.kernels);
      strips_[std::size_t(s)].rows(shared_.kernels, copy, kCount, rows, nullptr, lanes_of(s),
                      [&](int lane) -> Column& { return own_column(s, lane); });
      finish_tile(s, copy, kCount, rows);
    }
  }

  void finish_tile(int s, const S* data, int64_t stride, int rows) {
    strips_[std::size_t(s)].finish(shared_.kernels, data, stride, rows, lanes_of(s),
                      [&](int lane) -> Column& { return own_column(s, lane); }, infinity_);
  }

  Shared& shared_;
  Panel shape_;
  int64_t first_, last_;
  std::vector<Strip<T>> strips_;
  Own own_;
  InfinityRule infinity_;
};

// Sums contiguous runs of one column's values.
template <class T>
class RunTask {
 public:
  RunTask(Shared& shared, int64_t column) : shared_(shared), column_(column) {
    infinity_.missing = shared.rule.missing;
  }

  void sum(const Stored<T>* data, int64_t count) {
    int64_t rows = count / kCount;
    auto column_of = [&](int) -> Column& { return own_; };
    for (int64_t row = 0; row < rows; row += kTileRows) {
      int part = int(std::min<int64_t>(kTileRows, rows - row));
      const Stored<T>* from = data + row * kCount;
      strip_.start(shared_.kernels);
      strip_.rows(shared_.kernels, from, kCount, part, nullptr, first_lanes(kCount), column_of);
      strip_.finish(shared_.kernels, from, kCount, part, first_lanes(kCount), column_of, infinity_);
    }
    for (int64_t i = rows * kCount; i < count; ++i) add_one(data[i]);
  }

  // Rows without a value that sum() was not given.
  void add_missing(int64_t rows) {
    own_.count -= rows;
    own_.missing += rows;
  }

  void finish() {
    strip_.flush_together(own_);
    std::lock_guard lock(shared_.sink.mutex_of(column_));
    shared_.sink[column_].add(own_);
    if (infinity_.seen && !infinity_.missing) shared_.infinite = true;
  }

 private:
  static constexpr int kCount = Strip<T>::kCount;

  void add_one(Stored<T> element) {
    auto x = number(element);
    if constexpr (kIsFloating<T>) {
      if (!(std::abs(x) <= std::numeric_limits<double>::max())) {
        infinity_.seen |= x == x;
        --own_.count;
        ++own_.missing;
        return;
      }
    }
    add_plain(own_, x);
  }

  Shared& shared_;
  int64_t column_;
  Strip<T> strip_;
  Column own_;
  InfinityRule infinity_;
};

// ---- Cutting the work --------------------------------------------------------------------

// `count` things in `pieces` parts: part i is [cut(i), cut(i + 1)).
int64_t cut(int64_t count, int64_t pieces, int64_t index) {
  return int64_t(int128(count) * index / pieces);
}

int useful_threads(int64_t bytes, int threads) {
  return int(std::clamp<int64_t>(bytes / kWorthAThread, 1, threads));
}

// Enough parts that no thread waits long for the last one.
int64_t parts_of(int64_t strips, int threads) {
  return threads == 1 ? 1 : std::max<int64_t>(1, (4 * threads + strips - 1) / strips);
}

// The element offset of the index-th combination of axes, the last axis fastest.
int64_t offset_of(const std::vector<Axis>& axes, int64_t index) {
  int64_t offset = 0;
  for (std::size_t i = axes.size(); i-- > 0;) {
    offset += index % axes[i].extent * axes[i].stride;
    index /= axes[i].extent;
  }
  return offset;
}

int64_t extent_of(const std::vector<Axis>& axes) {
  int64_t extent = 1;
  for (const Axis& axis : axes) extent *= axis.extent;
  return extent;
}

// ---- The three ways through memory -------------------------------------------------------

// Rows of contiguous columns.
template <class T>
void sum_panels(Shared& shared, const char* data, const Panel& shape,
                const std::vector<Axis>& outer, int threads, bool alone) {
  const int64_t lanes = kStripBytes / int64_t(sizeof(T));
  int64_t strips = (shape.width + lanes - 1) / lanes;
  int64_t panels = extent_of(outer);
  int useful = useful_threads(panels * shape.rows * shape.width * int64_t(sizeof(T)), threads);
  int64_t parts = std::min(parts_of(strips, useful), std::max(panels, shape.rows));
  bool by_panel = panels >= parts;
  parallel(strips * parts, useful, [&](int64_t index) {
    ExactMode mode;
    int64_t strip = index / parts, part = index % parts;
    PanelTask<T> task(shared, shape, strip * lanes, std::min(shape.width, (strip + 1) * lanes),
                      useful == 1 && alone);
    int64_t panel0 = by_panel ? cut(panels, parts, part) : 0;
    int64_t panel1 = by_panel ? cut(panels, parts, part + 1) : panels;
    int64_t row0 = by_panel ? 0 : cut(shape.rows, parts, part);
    int64_t row1 = by_panel ? shape.rows : cut(shape.rows, parts, part + 1);
    for (int64_t panel = panel0; panel < panel1 && !shared.infinite; ++panel) {
      task.sum(data + offset_of(outer, panel) * int64_t(sizeof(T)), row0, row1);
    }
    task.finish();
  });
}

// Narrow rows without gaps are read as fewer, wider rows: their lanes then fill tiles.
int64_t fold_of(int64_t width, int64_t rows, int64_t lanes) {
  if (width >= 4 * lanes || width % lanes == 0) return 1;
  int64_t fold = lanes / std::gcd(width, lanes);
  while (fold > 1 && (fold * width > 64 * lanes || rows / fold < 8)) fold /= 2;
  return fold;
}

template <class T>
void sum_rows_of(Shared& shared, const char* data, Panel shape, const std::vector<Axis>& outer,
                 int threads, bool alone = true) {
  int64_t fold = shape.row_stride == shape.width || shape.rows == 1
                     ? fold_of(shape.width, shape.rows, Strip<T>::kCount)
                     : 1;
  Panel folded = shape;
  folded.rows = shape.rows / fold;
  folded.width = shape.width * fold;
  folded.row_stride = fold == 1 ? shape.row_stride : folded.width;
  sum_panels<T>(shared, data, folded, outer, threads, alone);
  int64_t done = folded.rows * fold;
  if (done == shape.rows) return;
  Panel rest = shape;
  rest.rows = shape.rows - done;
  sum_panels<T>(shared, data + done * shape.row_stride * int64_t(sizeof(T)), rest, outer, threads, alone);
}

// Columns of contiguous rows.
template <class T>
void sum_runs(Shared& shared, const Grid& grid, const Axis& run, const std::vector<Axis>& outer,
              int threads) {
  int64_t columns = grid.feature.extent, runs = extent_of(outer);
  int useful = useful_threads(columns * runs * run.extent * int64_t(sizeof(T)), threads);
  int64_t parts = std::min(parts_of(columns, useful), std::max(runs, run.extent));
  bool by_run = runs >= parts;
  parallel(columns * parts, useful, [&](int64_t index) {
    ExactMode mode;
    int64_t column = index / parts, part = index % parts;
    RunTask<T> task(shared, column);
    int64_t run0 = by_run ? cut(runs, parts, part) : 0;
    int64_t run1 = by_run ? cut(runs, parts, part + 1) : runs;
    int64_t from = by_run ? 0 : cut(run.extent, parts, part);
    int64_t to = by_run ? run.extent : cut(run.extent, parts, part + 1);
    for (int64_t i = run0; i < run1 && !shared.infinite; ++i) {
      int64_t offset = offset_of(outer, i) + column * grid.feature.stride + from;
      task.sum(reinterpret_cast<const Stored<T>*>(grid.data) + offset, to - from);
    }
    task.finish();
  });
}

// Anything else is gathered, a chunk at a time, into rows.
template <class T>
void sum_gathered(Shared& shared, const Grid& grid, int threads) {
  using S = Stored<T>;
  int64_t columns = grid.feature.extent, rows = extent_of(grid.others);
  int64_t wide = std::min<int64_t>(columns, kStripBytes / int64_t(sizeof(T)));
  int64_t strips = (columns + wide - 1) / wide;
  int64_t chunk = std::max<int64_t>(1, (64 << 10) / int64_t(sizeof(T)) / wide);
  int useful = useful_threads(columns * rows * int64_t(sizeof(T)), threads);
  int64_t parts = std::min(parts_of(strips, useful), rows);
  const S* base = reinterpret_cast<const S*>(grid.data);
  parallel(strips * parts, useful, [&](int64_t index) {
    int64_t first = index / parts * wide, part = index % parts;
    int64_t width = std::min(columns, first + wide) - first;
    std::vector<S> room(std::size_t(chunk * width));
    int64_t row1 = cut(rows, parts, part + 1);
    for (int64_t row = cut(rows, parts, part); row < row1 && !shared.infinite; row += chunk) {
      int64_t count = std::min(chunk, row1 - row);
      S* to = room.data();
      for (int64_t r = 0; r < count; ++r) {
        const S* from = base + offset_of(grid.others, row + r) + first * grid.feature.stride;
        for (int64_t c = 0; c < width; ++c) *to++ = from[c * grid.feature.stride];
      }
      const char* gathered = reinterpret_cast<const char*>(room.data());
      sum_rows_of<T>(shared, gathered, {nullptr, count, width, width, 1, width, first}, {}, 1,
                     useful == 1);
    }
  });
}

// Takes the axis of stride 1 out of axes; {1, 0} when there is none.
Axis take_contiguous(std::vector<Axis>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].stride != 1) continue;
    Axis axis = axes[i];
    axes.erase(axes.begin() + int64_t(i));
    return axis;
  }
  return {1, 0};
}

template <class T>
void sum_grid(Shared& shared, const Grid& grid, int threads) {
  const int64_t columns = grid.feature.extent;
  std::vector<Axis> outer = grid.others;
  Axis run = take_contiguous(outer);
  bool adjacent = columns == 1 || grid.feature.stride == 1;
  if (run.extent > 1) {
    // Short runs of every column, one after the other, repeated over rows: (N, C, L).
    bool rows_of_runs = grid.feature.stride == run.extent && !outer.empty() &&
                        run.extent * int64_t(sizeof(T)) < 2048 && outer.back().extent >= 8;
    if (!rows_of_runs) return sum_runs<T>(shared, grid, run, outer, threads);
    Axis rows = outer.back();
    outer.pop_back();
    return sum_rows_of<T>(shared, grid.data,
                          {nullptr, rows.extent, rows.stride, columns * run.extent, run.extent, columns, 0},
                          outer, threads);
  }
  Axis rows{1, 0};
  if (!outer.empty()) {
    rows = outer.back();
    outer.pop_back();
  }
  bool narrow = columns * int64_t(sizeof(T)) < 32 && rows.extent > 1 && rows.stride != columns;
  if (!adjacent || narrow) return sum_gathered<T>(shared, grid, threads);
  sum_rows_of<T>(shared, grid.data, {nullptr, rows.extent, rows.stride, columns, 1, columns, 0}, outer,
                 threads);
}

// ---- One value at a time -----------------------------------------------------------------

// Adds rows one by one, each with its weight, to one column.
class PlainColumn {
 public:
  template <class Number>
  void add(Number x, const double* weight, InfinityRule& infinity) {
    if (weight && *weight == 0) return;
    Scaled w = weight ? scaled(*weight) : Scaled{1, 0};
    if constexpr (std::is_floating_point_v<Number>) {
      bool infinite = std::abs(x) > std::numeric_limits<Number>::max();
      infinity.seen |= infinite;
      if (infinite || x != x) return missing_.add(w.mantissa, w.exponent);
    }
    count_.add(w.mantissa, w.exponent);
    if (weight) {
      add_weighted_sums(column_, w, x);
      column_.include(value_of_number(x));
    } else {
      add_plain(column_, x);
    }
  }
  void add_missing(const double* weight) {
    Scaled w = weight ? scaled(*weight) : Scaled{1, 0};
    missing_.add(w.mantissa, w.exponent);
  }
  Column take() {
    column_.add_count(count_);
    column_.add_missing(missing_);
    return std::move(column_);
  }

 private:
  Column column_;
  Exact count_, missing_;
};

std::vector<Axis> row_axes(const Array& array) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    if (int(i) != array.feature_axis) axes.push_back({array.shape[i], array.strides[i]});
  }
  return axes;
}

int64_t feature_stride(const Array& array) {
  return array.feature_axis < 0 ? 0 : array.strides[std::size_t(array.feature_axis)];
}

std::vector<Column> accumulate_plain(const Array& array, const AccumulateOptions& options,
                                     bool& infinite) {
  int64_t columns = array.columns(), rows = array.rows();
  std::vector<Axis> axes = row_axes(array);
  std::vector<Column> sums(static_cast<std::size_t>(columns));
  std::atomic<bool> stop{false};
  constexpr int64_t kTogether = 16;  // columns of a task: neighbours share cache lines
  int64_t tasks = (columns + kTogether - 1) / kTogether;
  parallel(tasks, options.threads, [&](int64_t task) {
    ExactMode mode;
    int64_t first = task * kTogether, last = std::min(columns, first + kTogether);
    std::array<PlainColumn, kTogether> parts;
    InfinityRule infinity{options.infinite_as_missing};
    with_type(array.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(array.data));
      for (int64_t row = 0; row < rows; ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        auto* from = data + offset_of(axes, row) + first * feature_stride(array);
        for (int64_t c = first; c < last; ++c, from += feature_stride(array)) {
          parts[std::size_t(c - first)].add(number(*from), weight, infinity);
        }
      }
    });
    for (int64_t c = first; c < last; ++c) sums[std::size_t(c)] = parts[std::size_t(c - first)].take();
    if (infinity.seen && !infinity.missing) stop = true;
  });
  infinite = stop;
  return sums;
}

// ---- Arrow columns -----------------------------------------------------------------------

bool has_value(const ArrowColumn& column, int64_t row) {
  int64_t bit = column.bit_offset + row;
  return !column.validity || column.validity[bit >> 3] >> (bit & 7) & 1;
}

int64_t length_of(const ArrowColumn& column) { return column.values.shape[0]; }

// Sums the values of rows [row0, row1) that are there; the gaps are closed in a copy.
template <class T>
void sum_present(RunTask<T>& task, const ArrowColumn& column, int64_t row0, int64_t row1) {
  using S = Stored<T>;
  const S* data = static_cast<const S*>(column.values.data);
  int64_t stride = column.values.strides[0];
  if (!column.validity && stride == 1) return task.sum(data + row0, row1 - row0);
  constexpr int64_t kRoom = 8192;
  std::vector<S> room(kRoom);
  for (int64_t row = row0; row < row1; row += kRoom) {
    int64_t end = std::min(row1, row + kRoom), kept = 0;
    for (int64_t r = row; r < end; ++r) {
      room[std::size_t(kept)] = data[r * stride];
      kept += has_value(column, r);
    }
    task.sum(room.data(), kept);
    task.add_missing(end - row - kept);
  }
}

void sum_arrow(Shared& shared, const std::vector<ArrowColumn>& columns, int threads) {
  int64_t count = int64_t(columns.size()), rows = count ? length_of(columns[0]) : 0;
  int64_t bytes = 0;
  for (const ArrowColumn& column : columns) bytes += rows * size_of(column.values.dtype);
  int useful = useful_threads(bytes, threads);
  int64_t parts = std::max<int64_t>(1, std::min(parts_of(count, useful), rows));
  parallel(count * parts, useful, [&](int64_t index) {
    ExactMode mode;
    const ArrowColumn& column = columns[std::size_t(index / parts)];
    with_type(column.values.dtype, [&](auto* type) {
      RunTask<std::remove_pointer_t<decltype(type)>> task(shared, index / parts);
      sum_present(task, column, cut(rows, parts, index % parts), cut(rows, parts, index % parts + 1));
      task.finish();
    });
  });
}

std::vector<Column> accumulate_plain(const std::vector<ArrowColumn>& columns,
                                     const AccumulateOptions& options, bool& infinite) {
  std::vector<Column> sums(columns.size());
  std::atomic<bool> stop{false};
  parallel(int64_t(columns.size()), options.threads, [&](int64_t index) {
    ExactMode mode;
    const ArrowColumn& column = columns[std::size_t(index)];
    InfinityRule infinity{options.infinite_as_missing};
    PlainColumn part;
    with_type(column.values.dtype, [&](auto* type) {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(column.values.data));
      for (int64_t row = 0; row < length_of(column); ++row) {
        const double* weight = options.weights ? options.weights + row : nullptr;
        if (has_value(column, row)) {
          part.add(number(data[row * column.values.strides[0]]), weight, infinity);
        } else {
          part.add_missing(weight);
        }
      }
    });
    sums[std::size_t(index)] = part.take();
    if (infinity.seen && !infinity.missing) stop = true;
  });
  infinite = stop;
  return sums;
}

template <class T>
bool is_infinite(T element) {
  auto x = number(element);
  if constexpr (std::is_floating_point_v<decltype(x)>) {
    return std::abs(x) > std::numeric_limits<double>::max();
  }
  return false;
}

}  // namespace

std::vector<Column> accumulate(const Array& array, const AccumulateOptions& options, bool& infinite) {
  infinite = false;
  Grid grid = grid_of(array);
  if (grid.empty) return std::vector<Column>(static_cast<std::size_t>(array.columns()));
  const Kernels* kernels = chosen_kernels();
  if (!kernels || options.weights) return accumulate_plain(array, options, infinite);
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
  if (!kernels || options.weights) return accumulate_plain(columns, options, infinite);
  Sink sink(int64_t(columns.size()), columns.empty() ? 0 : length_of(columns[0]));
  Shared shared{*kernels, sink, {options.infinite_as_missing}};
  sum_arrow(shared, columns, options.threads);
  infinite = shared.infinite;
  return sink.take();
}

Place first_infinity(const Array& array, const double* weights) {
  std::vector<Axis> axes = row_axes(array);
  int64_t rows = array.rows();
  return with_type(array.dtype, [&](auto* type) -> Place {
    auto* data = static_cast<decltype(type)>(const_cast<void*>(array.data));
    for (int64_t c = 0; c < array.columns(); ++c) {
      for (int64_t row = 0; row < rows; ++row) {
        if (weights && weights[row] == 0) continue;
        if (is_infinite(data[offset_of(axes, row) + c * feature_stride(array)])) return {row, c};
      }
    }
    return {};
  });
}

Place first_infinity(const std::vector<ArrowColumn>& columns, const double* weights) {
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const ArrowColumn& column = columns[c];
    int64_t row = with_type(column.values.dtype, [&](auto* type) -> int64_t {
      auto* data = static_cast<decltype(type)>(const_cast<void*>(column.values.data));
      for (int64_t r = 0; r < length_of(column); ++r) {
        if ((weights && weights[r] == 0) || !has_value(column, r)) continue;
        if (is_infinite(data[r * column.values.strides[0]])) return r;
      }
      return -1;
    });
    if (row >= 0) return {row, int64_t(c)};
  }
  return {};
}

}  // namespace evenly
