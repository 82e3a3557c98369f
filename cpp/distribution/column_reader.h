// Reads the values of columns as doubles, or those of 8-bit and 16-bit types as codes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/array_view.h"
#include "distribution/code_counter.h"
#include "distribution/value_counter.h"
#include "sum/accumulate.h"

namespace evenly {

// Calls f(stride), for a stride of 1 as a constant, so that the compiler can use vector
// instructions.
template <class F>
void with_stride(int64_t stride, F&& f) {
  stride == 1 ? f(std::integral_constant<int64_t, 1>()) : f(stride);
}

// An element as a double or as its code.
template <class Out, class T>
Out read_as(T x) {
  if constexpr (std::is_same_v<Out, double>) {
    return double(to_number(x));
  } else {
    return code_of(x);
  }
}
template <class Out, class T>
constexpr Out missing_as() {
  if constexpr (std::is_same_v<Out, double>) {
    return std::numeric_limits<double>::quiet_NaN();
  } else {
    return Code(number_of_codes<T>());
  }
}

class ColumnReader {
 public:
  // From one column to the next in a buffer. With a power of two, the columns would map to the same
  // sets of the cache.
  static constexpr int64_t kBufferStride = ValueCounter::kBlock + 8;

  virtual ~ColumnReader() = default;
  virtual int64_t columns() const { return 1; }
  // The number of codes of the type; 0 if it has none, and read_codes() must not be called.
  virtual int64_t codes() const = 0;
  // Whether to count codes. Tables of 16-bit types, of 512 KB each, do not stay in the cache if
  // there are several columns; but to convert 16-bit floating-point numbers takes more time.
  bool has_codes() const {
    return codes() > 0 && (codes() <= 256 || columns() == 1 || is_floating());
  }
  virtual bool is_floating() const = 0;
  virtual double value_of(Code code) const = 0;
  // The values of up to kBlock rows, NaN for a missing one: in `buffer`, or where they are. Those
  // of column i begin at i * kBufferStride.
  virtual const double* read(int64_t row, int64_t count, double* buffer) const = 0;
  virtual void read_codes(int64_t row, int64_t count, Code* buffer) const = 0;
};

// Columns of a strided array, side by side; the rows are all positions on some axes.
template <class T>
class StridedReader : public ColumnReader {
 public:
  StridedReader(const T* data, std::vector<Axis> axes, int64_t columns, int64_t step)
      : data_(data), axes_(std::move(axes)), columns_(columns), step_(step) {}

  int64_t columns() const override { return columns_; }

  const double* read(int64_t row, int64_t count, double* buffer) const override {
    if constexpr (std::is_same_v<T, double>) {
      if (count > 0 && is_contiguous(row, count)) return data_ + offset_of(axes_, row);
    }
    copy(row, count, buffer);
    return buffer;
  }

  int64_t codes() const override { return number_of_codes<T>(); }
  bool is_floating() const override { return kIsFloating<T>; }

  double value_of(Code code) const override { return value_of_code<T>(code); }

  void read_codes(int64_t row, int64_t count, Code* buffer) const override {
    if constexpr (number_of_codes<T>() > 0) copy(row, count, buffer);
  }

 private:
  // Whether rows, of which there is one at least, are next to each other in a single column.
  bool is_contiguous(int64_t row, int64_t count) const {
    const Axis inner = innermost();
    return columns_ == 1 && inner.stride == 1 && row % inner.extent + count <= inner.extent;
  }
  Axis innermost() const { return axes_.empty() ? Axis{1, 0} : axes_.back(); }

  template <class Out>
  void copy(int64_t row, int64_t count, Out* out) const {
    const Axis inner = innermost();
    for (int64_t done = 0; done < count;) {
      const T* from = data_ + offset_of(axes_, row + done);
      const int64_t left = inner.extent - (row + done) % inner.extent;
      const int64_t length = std::min(count - done, left);
      if (columns_ == 1) {
        with_stride(inner.stride, [&](auto stride) {
          for (int64_t i = 0; i < length; ++i) out[done + i] = read_as<Out>(from[i * stride]);
        });
      } else if (columns_ == kFullLine && step_ == 1) {
        copy_rows(from, inner.stride, length, left, out + done, kFullLine, kOne);
      } else {
        copy_rows(from, inner.stride, length, left, out + done, columns_, step_);
      }
      done += length;
    }
  }

  // Copies `length` rows of the `left` that follow each other at this stride. The width and the
  // step can be constants. The hardware prefetcher does not follow rows that are far apart, so they
  // are prefetched here.
  template <class Out, class Width, class Step>
  static void copy_rows(const T* from, int64_t stride, int64_t length, int64_t left, Out* out,
                        Width width, Step step) {
    constexpr int64_t kAhead = 32;
    for (int64_t i = 0; i < length; ++i) {
      const T* const row = from + i * stride;
      if (i + kAhead < left) {
        __builtin_prefetch(row + kAhead * stride);
        __builtin_prefetch(row + kAhead * stride + (width - 1) * step);
      }
      for (int64_t column = 0; column < width; ++column) {
        out[column * kBufferStride + i] = read_as<Out>(row[column * step]);
      }
    }
  }

  static constexpr std::integral_constant<int64_t, 64 / sizeof(double)> kFullLine{};
  static constexpr std::integral_constant<int64_t, 1> kOne{};

  const T* data_;
  std::vector<Axis> axes_;
  int64_t columns_, step_;
};

// Some rows of a column with a validity bitmap: those listed, or a range.
template <class T>
class ArrowReader : public ColumnReader {
 public:
  ArrowReader(const ArrowColumn& column, const int64_t* listed = nullptr, int64_t first = 0)
      : column_(column), listed_(listed), first_(first) {}

  const double* read(int64_t row, int64_t count, double* buffer) const override {
    if constexpr (std::is_same_v<T, double>) {
      if (!listed_ && !column_.validity && column_.values.strides[0] == 1)
        return static_cast<const T*>(column_.values.data) + first_ + row;
    }
    copy(row, count, buffer);
    return buffer;
  }

  int64_t codes() const override { return number_of_codes<T>(); }
  bool is_floating() const override { return kIsFloating<T>; }

  double value_of(Code code) const override { return value_of_code<T>(code); }

  void read_codes(int64_t row, int64_t count, Code* buffer) const override {
    if constexpr (number_of_codes<T>() > 0) copy(row, count, buffer);
  }

 private:
  template <class Out>
  void copy(int64_t row, int64_t count, Out* out) const {
    const T* data = static_cast<const T*>(column_.values.data);
    const int64_t stride = column_.values.strides[0];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = listed_ ? listed_[row + i] : first_ + row + i;
      const Out value = read_as<Out>(data[at * stride]);
      out[i] = column_.has_value(at) ? value : missing_as<Out, T>();
    }
  }

  const ArrowColumn& column_;
  const int64_t* listed_;
  int64_t first_;
};

inline std::unique_ptr<ColumnReader> arrow_reader(const ArrowColumn& column,
                                                  const int64_t* listed = nullptr,
                                                  int64_t first = 0) {
  return with_type(column.values.dtype, [&](auto* type) -> std::unique_ptr<ColumnReader> {
    using T = std::remove_pointer_t<decltype(type)>;
    return std::make_unique<ArrowReader<T>>(column, listed, first);
  });
}

}  // namespace evenly
