// Passes over a batch: sums of each channel, then a map of every value, in pieces that fit into
// caches and are distributed over threads.
//
// There are two views of a batch. *Runs*: contiguous values of one channel, at least one vector
// long. *Rows*: each value of a row belongs to a column with its own sums, and each channel
// consists of some columns: several short rows are read as one, and short runs as one column per
// value. How a batch is split depends on its shape only, so that sums are added in the same order
// for any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/cache.h"
#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "batch_norm/batch_norm.h"
#include "batch_norm/kernel_table.h"

namespace evenly {

// out = (x - mean) * inverse * weight + bias
struct ForwardAffine {
  ChannelStatistics statistics;
  std::vector<double> weight, bias;

  ForwardAffine(ChannelStatistics channel_statistics, PerChannel of_weight, PerChannel of_bias,
                int64_t channels)
      : statistics(channel_statistics),
        weight(of_weight.values(channels, 1)),
        bias(of_bias.values(channels, 0)) {}
  template <class T>
  void write(int64_t first, int64_t last, const AffineRows<ComputeType<T>>& map) const {
    batch_kernels<T>().forward_map(last - first, statistics.from(first), weight.data() + first,
                                   bias.data() + first, map);
  }
};

// The gradient of x; see GradientSums. An infinite count means that the statistics are fixed; then
// only the gradient is mapped.
struct BackwardAffine {
  ChannelStatistics statistics;
  std::vector<double> weight;
  GradientSums sums;
  double count;

  BackwardAffine(ChannelStatistics channel_statistics, PerChannel of_weight, GradientSums of,
                 double count_of, int64_t channels)
      : statistics(channel_statistics),
        weight(of_weight.values(channels, 1)),
        sums(of),
        count(count_of) {}
  template <class T>
  void write(int64_t first, int64_t last, const AffineRows<ComputeType<T>>& map) const {
    if (!std::isinf(count)) {
      return batch_kernels<T>().backward_map(last - first, statistics.from(first),
                                             weight.data() + first, sums.sum + first,
                                             sums.product + first, count, map);
    }
    for (int64_t c = first; c < last; ++c) {
      double gain = statistics.inverse[c] * weight[std::size_t(c)];
      map.slope[c - first] = gain == gain ? ComputeType<T>(gain) : ComputeType<T>(NAN);
    }
  }
};

template <class T>
class BatchPass {
  using W = ComputeType<T>;

 public:
  explicit BatchPass(const Batch& batch)
      : batch_(batch),
        kernels_(batch_kernels<T>()),
        x_(static_cast<const T*>(batch.x)),
        gradient_(static_cast<const T*>(batch.gradient)),
        mapped_(x_),
        mapped_gradient_(gradient_),
        out_(static_cast<T*>(batch.out)) {
    int64_t bytes = this->bytes();
    threads_ = useful_threads(gradient_ ? 2 * bytes : bytes, kMaxThreads);
    if (threads_ > 1)
      threads_ = std::min(threads_, batch.threads > 0 ? batch.threads : default_threads());
    for (auto* part : {&high_, &slope_, &shift_, &gain_}) part->resize(std::size_t(batch.channels));
    runs_ = batch.inner >= kernels_.vector_values;
    stream_ = bytes >= kStreamBytes;
    runs_ ? plan_runs() : plan_rows();
  }

  // Subtracted from a channel's values before they are summed. Must be set before run().
  std::vector<double> center;

  // Sums each channel, calls finish(first, last, sums, products) for ranges of channels, which must
  // set their map, and maps all values. If finish() returns false, because float32 sums may be
  // inaccurate, the sums are computed again in float64, and finish() is called again.
  template <class Finish>
  void run(const Finish& finish) {
    if (runs_ && chunks_ == 1) return run_in_cache(finish);
    for (bool wide : {false, true}) {
      std::vector<double> sums = runs_ ? sum_runs(wide) : sum_rows(wide);
      if (finish(0, batch_.channels, sums.data(), sums.data() + batch_.channels)) break;
    }
    map();
  }

  // Maps the gradient instead of x, so that NaN and infinity in x do not affect the result.
  void map_gradient_alone() {
    mapped_ = gradient_;
    mapped_gradient_ = nullptr;
  }
  // Maps all values.
  void map() {
    if (!out_) return;
    runs_ ? map_runs() : map_rows();
  }
  // The same without preceding sums: channels need not stay together, so the batch is processed in
  // memory order.
  void map_memory_order() {
    if (runs_ && batch_.outer >= kMinSamples) {
      group_ = batch_.channels, groups_ = 1, pieces_ = 1;
      chunks_ = pieces_of(batch_.outer);
    }
    map();
  }

  // Sets the map of channels [first, last).
  template <class Map>
  void set_map(const Map& map, int64_t first, int64_t last) {
    map.template write<T>(
        first, last,
        {high_.data() + first, slope_.data() + first, shift_.data() + first, gain_.data() + first});
  }

 private:
  static constexpr int kMaxThreads = 1 << 20;
  static constexpr int64_t kPieceBytes = 256 << 10;    // two of them and the output fit into L2
  static constexpr int64_t kGroupBytes = 512 << 10;    // channels that are read together
  static constexpr int64_t kChannelBytes = 512 << 10;  // a channel that fits into L2
  static constexpr int64_t kStreamedRunBytes =
      1 << 10;  // longer runs consist mostly of whole cache lines
  static constexpr int64_t kUncachedBytes = 8 << 20;  // does not fit into the caches of a core
  static constexpr int64_t kStripColumns = 512;
  static constexpr int64_t kEnoughChunks = 8;   // tasks for a few threads
  static constexpr int64_t kMapColumns = 2048;  // whose maps fit into the L1 cache
  static constexpr int64_t kMinRows = 64;
  static constexpr int64_t kMinSamples = 8;         // to be used as tasks
  static constexpr int64_t kMaxGroupChannels = 64;  // per task; their sums take 16 KB of stack

  Affine<T> map_from(int64_t c) const {
    return {high_.data() + c,
            slope_.data() + c,
            shift_.data() + c,
            gain_.data() + c,
            uncached(mapped_gradient_ ? 3 : 2),
            stream_};
  }
  int64_t bytes() const { return batch_.values() * batch_.channels * int64_t(sizeof(T)); }
  // Whether this many tensors of the batch's size exceed the caches of a core.
  bool uncached(int64_t tensors) const { return tensors * bytes() >= kUncachedBytes; }
  // The number of pieces in which a batch of `most` samples or rows is mapped.
  int64_t pieces_of(int64_t most) const {
    return std::clamp<int64_t>(bytes() / kPieceBytes, 1, most);
  }
  static const T* at_or_null(const T* from, int64_t at) { return from ? from + at : nullptr; }
  template <class F>
  void run_tasks(int64_t tasks, F&& f) {
    parallel(tasks, threads_, [&](int64_t task) {
      ScopedFpEnvironment fp_environment;
      f(task);
#if defined(__x86_64__)
      _mm_sfence();  // makes streaming stores visible before the task is reported as done
#endif
    });
  }

  // ---- Runs ------------------------------------------------------------------------------

  void plan_runs() {
    int64_t channel = batch_.values() * int64_t(sizeof(T));
    int64_t read = gradient_ ? 2 * channel : channel;
    group_ = std::clamp<int64_t>(kGroupBytes / read, 1, (batch_.channels + 15) / 16);
    group_ = std::min(group_, kMaxGroupChannels);
    groups_ = (batch_.channels + group_ - 1) / group_;
    bool few = batch_.channels < 16 && channel * batch_.channels > 4 * kPieceBytes;
    int64_t run = batch_.inner * int64_t(sizeof(T));
    stream_ = stream_ && (run % kCacheLineBytes == 0 || run >= kStreamedRunBytes);
    chunks_ = 1;
    pieces_ = 1;
    if (channel <= kChannelBytes && !few) return;
    chunks_ = std::max<int64_t>(2, channel / kPieceBytes);
    // Runs are also split if there are too few of them.
    int64_t longest = std::max<int64_t>(4 * kMaxVectorValues, kPieceBytes / int64_t(sizeof(T)));
    if (batch_.outer < chunks_) pieces_ = (batch_.inner + longest - 1) / longest;
    chunks_ = std::min(chunks_, batch_.outer * pieces_);
  }

  // Calls f(first channel, runs, offset) for the pieces of a group of channels in one chunk.
  template <class F>
  void each_piece(int64_t group, int64_t chunk, F&& f) {
    int64_t first = group * group_, channels = std::min(group_, batch_.channels - first);
    int64_t from = split_point(batch_.outer * pieces_, chunks_, chunk);
    int64_t to = split_point(batch_.outer * pieces_, chunks_, chunk + 1);
    int64_t step = batch_.channels * batch_.inner;
    if (pieces_ == 1) {
      Runs runs{to - from, channels, batch_.inner, step, batch_.inner};
      return f(first, runs, from * step + first * batch_.inner);
    }
    for (int64_t i = from; i < to; ++i) {
      int64_t begin = split_point(batch_.inner, pieces_, i % pieces_);
      int64_t end = split_point(batch_.inner, pieces_, i % pieces_ + 1);
      Runs runs{1, channels, end - begin, step, batch_.inner};
      f(first, runs, i / pieces_ * step + first * batch_.inner + begin);
    }
  }

  void sum_group(int64_t group, int64_t chunk, LaneSums* lanes, bool wide) {
    each_piece(group, chunk, [&](int64_t first, const Runs& runs, int64_t at) {
      kernels_.sum_runs(x_ + at, at_or_null(gradient_, at), runs, center.data() + first, lanes,
                        wide);
    });
  }
  void map_group(int64_t group, int64_t chunk) {
    each_piece(group, chunk, [&](int64_t first, const Runs& runs, int64_t at) {
      kernels_.map_runs(mapped_ + at, at_or_null(mapped_gradient_, at), out_ + at, runs,
                        map_from(first));
    });
  }
  static double total(const double* lanes) {
    double part[4] = {};
    for (int i = 0; i < kMaxVectorValues; ++i) part[i % 4] += lanes[i];
    return (part[0] + part[1]) + (part[2] + part[3]);
  }

  // Sums and maps each group of channels while it is in the cache.
  template <class Finish>
  void run_in_cache(const Finish& finish) {
    run_tasks(groups_, [&](int64_t group) {
      LaneSums lanes[kMaxGroupChannels];
      int64_t first = group * group_, last = std::min(first + group_, batch_.channels);
      for (bool wide : {false, true}) {
        std::memset(lanes, 0, std::size_t(group_) * sizeof(LaneSums));
        sum_group(group, 0, lanes, wide);
        double sums[kMaxGroupChannels], products[kMaxGroupChannels];
        for (int64_t c = 0; c < last - first; ++c) {
          sums[c] = total(lanes[c].sum);
          products[c] = total(lanes[c].product);
        }
        if (finish(first, last, sums, products)) break;
      }
      if (out_) map_group(group, 0);
    });
  }

  std::vector<double> sum_runs(bool wide) {
    std::vector<LaneSums> lanes(std::size_t(groups_ * chunks_ * group_), LaneSums{});
    run_tasks(groups_ * chunks_, [&](int64_t task) {
      sum_group(task / chunks_, task % chunks_, lanes.data() + task * group_, wide);
    });
    std::vector<double> sums(2 * center.size());
    for (int64_t c = 0; c < batch_.channels; ++c) {
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        const LaneSums& own =
            lanes[std::size_t((c / group_ * chunks_ + chunk) * group_ + c % group_)];
        sums[std::size_t(c)] += total(own.sum);
        sums[std::size_t(batch_.channels + c)] += total(own.product);
      }
    }
    return sums;
  }
  void map_runs() {
    int64_t tasks = groups_ * chunks_;
    run_tasks(tasks,
              [&](int64_t task) {  // backward: what was summed last may still be in the cache
                task = tasks - 1 - task;
                map_group(task / chunks_, task % chunks_);
              });
  }

  // ---- Rows ------------------------------------------------------------------------------

  void plan_rows() {
    width_ = batch_.channels * batch_.inner;
    rows_ = batch_.outer;
    if (batch_.inner == 1 && width_ % kernels_.vector_values != 0 &&
        width_ < 4 * kMaxVectorValues) {
      int64_t together = kernels_.vector_values / std::gcd(width_, int64_t(kernels_.vector_values));
      if (rows_ >= together) {
        rest_ = rows_ % together * width_;
        rows_ /= together;
        width_ *= together;
      }
    }
    columns_ = std::max<int64_t>(width_, kMaxVectorValues);
    const int64_t strips = width_ < 2 * kStripColumns ? 1 : width_ / kStripColumns;
    int64_t bytes = rows_ * width_ * int64_t(sizeof(T)) / strips;
    chunks_ = std::clamp<int64_t>(bytes / kPieceBytes, 1, std::max<int64_t>(rows_ / kMinRows, 1));
    // Whole rows are read in the order of memory; strips are for threads.
    strips_ = chunks_ < kEnoughChunks ? strips : 1;
    // Only whole cache lines are written past the cache; writing a line both ways is far more
    // expensive.
    stream_ = stream_ && width_ * int64_t(sizeof(T)) % kCacheLineBytes == 0 &&
              uintptr_t(out_) % kCacheLineBytes == 0;
  }
  // Calls f(column, channel) for every column, in order.
  template <class F>
  void each_column(F&& f) const {
    const int64_t channels = batch_.channels, inner = batch_.inner;
    if (inner == 1) {  // a separate loop, because the compiler vectorizes it
      for (int64_t j = 0; j < width_; j += channels)
        for (int64_t c = 0; c < channels; ++c) f(j + c, c);
    } else {
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < inner; ++i) f(c * inner + i, c);
    }
  }
  // Repeats each channel's value for all of its columns.
  template <class V>
  std::vector<V> per_column(const std::vector<V>& values) const {
    std::vector<V> all(static_cast<std::size_t>(columns_));
    each_column([&](int64_t j, int64_t c) { all[std::size_t(j)] = values[std::size_t(c)]; });
    return all;
  }
  struct Columns {
    int64_t from, to;
  };
  // The columns of a strip; each strip starts at a multiple of a cache line.
  Columns columns_of(int64_t strip, int64_t strips) const {
    constexpr int64_t kWhole = 64;
    auto begin = [&](int64_t i) { return split_point(width_, strips, i) / kWhole * kWhole; };
    return {begin(strip), strip + 1 == strips ? width_ : begin(strip + 1)};
  }
  // Calls f(first column, width, first row, rows) for a task, and for the remainder of merged rows.
  template <class F>
  void each_block(int64_t task, F&& f) {
    int64_t strip = task % strips_, chunk = task / strips_;
    auto [from, to] = columns_of(strip, strips_);
    int64_t first = split_point(rows_, chunks_, chunk),
            last = split_point(rows_, chunks_, chunk + 1);
    if (last > first) f(from, to - from, first, last - first);
    if (rest_ && task == strips_ * chunks_ - 1) f(0, rest_, rows_, 1);
  }
  // Rows shorter than a vector are copied, so that the sums of other columns are not touched.
  struct ShortRow {
    T x[kMaxVectorValues] = {}, gradient[kMaxVectorValues] = {}, out[kMaxVectorValues];
  };

  std::vector<double> sum_rows(bool wide) {
    const std::vector<double> centers = per_column(center);
    std::vector<double> lanes(std::size_t(2 * chunks_ * columns_));
    run_tasks(strips_ * chunks_, [&](int64_t task) {
      double* sum = lanes.data() + 2 * (task / strips_) * columns_;
      each_block(task, [&](int64_t from, int64_t width, int64_t row, int64_t rows) {
        sum_block(row * width_ + from, width, rows, centers.data() + from, sum + from,
                  sum + columns_ + from, wide);
      });
    });
    std::vector<double> sums(2 * center.size());
    for (int64_t part = 0; part < 2 * chunks_; ++part) {
      double* total = sums.data() + part % 2 * batch_.channels;
      const double* own = lanes.data() + part * columns_;
      each_column([&](int64_t j, int64_t c) { total[c] += own[j]; });
    }
    return sums;
  }
  void sum_block(int64_t at, int64_t width, int64_t rows, const double* centers, double* sum,
                 double* product, bool wide) {
    if (width >= kernels_.vector_values) {
      return kernels_.sum_rows(x_ + at, at_or_null(gradient_, at), rows, width_, width,
                               uncached(gradient_ ? 2 : 1), centers, sum, product, wide);
    }
    for (; rows > 0; --rows, at += width_) {
      ShortRow copy;
      double sums[2][kMaxVectorValues] = {};
      std::copy_n(x_ + at, width, copy.x);
      if (gradient_) std::copy_n(gradient_ + at, width, copy.gradient);
      kernels_.sum_rows(copy.x, gradient_ ? copy.gradient : nullptr, 1, kMaxVectorValues,
                        kernels_.vector_values, false, centers, sums[0], sums[1], wide);
      for (int64_t j = 0; j < width; ++j) sum[j] += sums[0][j], product[j] += sums[1][j];
    }
  }

  void map_rows() {
    if (width_ != batch_.channels || columns_ != width_) {
      for (auto* part : {&high_, &slope_, &shift_, &gain_}) *part = per_column(*part);
    }
    int64_t tasks = pieces_of(rows_), strips = (width_ + kMapColumns - 1) / kMapColumns;
    run_tasks(tasks, [&](int64_t task) {  // backward, as in map_runs
      int64_t first = split_point(rows_, tasks, tasks - 1 - task),
              last = split_point(rows_, tasks, tasks - task);
      for (int64_t strip = 0; strip < strips; ++strip) {
        auto [from, to] = columns_of(strip, strips);
        map_block(first * width_ + from, to - from, last - first, map_from(from));
      }
      if (rest_ && task == 0) map_block(rows_ * width_, rest_, 1, map_from(0));
    });
  }
  void map_block(int64_t at, int64_t width, int64_t rows, const Affine<T>& map) {
    if (width >= kernels_.vector_values) {
      return kernels_.map_rows(mapped_ + at, at_or_null(mapped_gradient_, at), out_ + at, rows,
                               width_, width, map);
    }
    for (; rows > 0; --rows, at += width_) {
      ShortRow copy;
      std::copy_n(mapped_ + at, width, copy.x);
      if (mapped_gradient_) std::copy_n(mapped_gradient_ + at, width, copy.gradient);
      kernels_.map_rows(copy.x, mapped_gradient_ ? copy.gradient : nullptr, copy.out, 1,
                        kMaxVectorValues, kernels_.vector_values,
                        {map.high, map.slope, map.shift, map.gain, false, false});
      std::copy_n(copy.out, width, out_ + at);
    }
  }

  const Batch& batch_;
  const BatchKernels<T>& kernels_;
  const T* x_;
  const T* gradient_;
  const T* mapped_;
  const T* mapped_gradient_;
  T* out_;
  int threads_;
  bool runs_, stream_;
  std::vector<W> high_, slope_, shift_, gain_;
  int64_t chunks_ = 1;
  int64_t group_ = 1, groups_ = 1, pieces_ = 1;                         // of runs
  int64_t rows_ = 0, width_ = 0, columns_ = 0, strips_ = 1, rest_ = 0;  // of rows
};

}  // namespace evenly
