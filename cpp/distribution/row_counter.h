// Counts the values of some rows, by sorting or with counters, whose memory is used again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "distribution/column_reader.h"
#include "distribution/ordered_bits.h"
#include "distribution/sort_keys.h"
#include "distribution/value_counter.h"
#include "sum/group_order.h"

namespace evenly {

// A counter's tables take 0.3 to 2 MB. Fewer values are sorted instead.
constexpr int64_t kMinCounterValues = 1024;

// Counts the values of a few columns, which may share cache lines.
class RowCounter {
 public:
  RowCounter(int64_t most_bins, const double* weights) : most_bins_(most_bins), weights_(weights) {
    if (weights) row_weights_.resize(ValueCounter::kBlock);
  }

  // Sets into[i] to the histogram of rows [row0, row1) of column i. The shift of some rows is that
  // of all rows at least, so the next rows of the same reader begin with it.
  void count(const ColumnReader& reader, int64_t row0, int64_t row1, Histogram* into) {
    if (!weights_ && row1 - row0 <= kMinCounterValues) return sort(reader, row0, row1, into);
    prepare(reader);
    for (int64_t row = row0; row < row1; row += ValueCounter::kBlock) {
      const int64_t count = std::min(ValueCounter::kBlock, row1 - row);
      add(reader, row, count, weights_ ? weights_ + row : nullptr);
    }
    take(reader, into);
  }

  // The histogram of the rows of a group.
  Histogram count(const ColumnReader& reader, const Rows& group) {
    Histogram histogram(most_bins_);
    if (!weights_ && group.count <= kMinCounterValues) {
      sort(reader, 0, group.count, &histogram);
      return histogram;
    }
    reader_ = nullptr;  // its memory may be that of the last group's
    prepare(reader);
    for (int64_t from = 0; from < group.count; from += ValueCounter::kBlock) {
      const Rows part = group.part(from, ValueCounter::kBlock);
      if (weights_) {
        for (int64_t i = 0; i < part.count; ++i) row_weights_[std::size_t(i)] = weights_[part[i]];
      }
      add(reader, from, part.count, weights_ ? row_weights_.data() : nullptr);
    }
    take(reader, &histogram);
    return histogram;
  }

 private:
  void prepare(const ColumnReader& reader) {
    const std::size_t columns = std::size_t(reader.columns());
    const std::size_t size = columns * ColumnReader::kBufferStride;
    if (&reader != reader_) {
      for (ValueCounter& counter : counters_) counter.reset();
    }
    reader_ = &reader;
    counts_codes_ = !weights_ && reader.has_codes();
    if (counts_codes_) {
      if (codes_.size() < size) codes_.resize(size);
      if (code_counters_.size() < columns) code_counters_.resize(columns);
      for (std::size_t i = 0; i < columns; ++i) code_counters_[i].start(reader.codes());
    } else {
      if (buffer_.size() < size) buffer_.resize(size);
      while (counters_.size() < columns) counters_.emplace_back(most_bins_);
    }
  }

  void add(const ColumnReader& reader, int64_t row, int64_t count, const double* weights) {
    const std::size_t columns = std::size_t(reader.columns());
    if (counts_codes_) {
      reader.read_codes(row, count, codes_.data());
      for (std::size_t i = 0; i < columns; ++i) {
        code_counters_[i].add(codes_.data() + i * ColumnReader::kBufferStride, count);
      }
      return;
    }
    const double* values = reader.read(row, count, buffer_.data());
    for (std::size_t i = 0; i < columns; ++i, values += ColumnReader::kBufferStride) {
      weights ? counters_[i].add(values, weights, count) : counters_[i].add(values, count);
    }
  }

  void take(const ColumnReader& reader, Histogram* into) {
    const auto value_of = [&](Code code) { return reader.value_of(code); };
    for (std::size_t i = 0; i < std::size_t(reader.columns()); ++i) {
      into[i] = counts_codes_ ? code_counters_[i].take(most_bins_, value_of) : counters_[i].take();
    }
  }

  void sort(const ColumnReader& reader, int64_t row0, int64_t row1, Histogram* into) {
    buffer_.resize(std::size_t(reader.columns() * ColumnReader::kBufferStride));
    const double* values = reader.read(row0, row1 - row0, buffer_.data());
    for (int64_t column = 0; column < reader.columns();
         ++column, values += ColumnReader::kBufferStride) {
      keys_.clear();
      for (int64_t i = 0; i < row1 - row0; ++i) {
        if (is_finite_bits(values[i])) keys_.push_back(ordered_bits(values[i]));
      }
      into[column] = histogram_of(keys_, most_bins_);
    }
  }

  int64_t most_bins_;
  const double* weights_;
  const ColumnReader* reader_ = nullptr;  // whose columns have the shifts of the counters
  bool counts_codes_ = false;
  std::vector<double> buffer_, row_weights_;
  std::vector<Code> codes_;
  std::vector<uint64_t> keys_;
  std::vector<ValueCounter> counters_;
  std::vector<CodeCounter> code_counters_;
};

// Counters that tasks borrow, so that there are only as many as tasks that run at the same time.
class CounterPool {
 public:
  CounterPool(int64_t most_bins, const double* weights)
      : most_bins_(most_bins), weights_(weights) {}

  // Calls f(counter).
  template <class F>
  void borrow(F&& f) {
    std::unique_ptr<RowCounter> counter = take();
    f(*counter);
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(counter));
  }

 private:
  std::unique_ptr<RowCounter> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<RowCounter>(most_bins_, weights_);
    std::unique_ptr<RowCounter> counter = std::move(free_.back());
    free_.pop_back();
    return counter;
  }

  int64_t most_bins_;
  const double* weights_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RowCounter>> free_;
};

}  // namespace evenly
