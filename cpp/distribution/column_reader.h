// Reads the values of a column as doubles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/array_view.h"
#include "sum/accumulate.h"

namespace evenly {

class ColumnReader {
 public:
  virtual ~ColumnReader() = default;
  // The values of some rows, NaN for a missing one: in `buffer`, or where they are.
  virtual const double* read(int64_t row, int64_t count, double* buffer) const = 0;
};

// A column of a strided array; the rows are all positions on some axes.
template <class T>
class StridedReader : public ColumnReader {
 public:
  StridedReader(const T* data, std::vector<Axis> axes) : data_(data), axes_(std::move(axes)) {}

  const double* read(int64_t row, int64_t count, double* buffer) const override {
    const Axis inner = axes_.empty() ? Axis{1, 0} : axes_.back();
    for (int64_t done = 0; done < count;) {
      const T* from = data_ + offset_of(axes_, row + done);
      const int64_t length = std::min(count - done, inner.extent - (row + done) % inner.extent);
      if constexpr (std::is_same_v<T, double>) {
        if (length == count && inner.stride == 1) return from;
      }
      for (int64_t i = 0; i < length; ++i) {
        buffer[done + i] = double(to_number(from[i * inner.stride]));
      }
      done += length;
    }
    return buffer;
  }

 private:
  const T* data_;
  std::vector<Axis> axes_;
};

// Some rows of a column with a validity bitmap: those listed, or a range.
template <class T>
class ArrowReader : public ColumnReader {
 public:
  ArrowReader(const ArrowColumn& column, const int64_t* listed = nullptr, int64_t first = 0)
      : column_(column), listed_(listed), first_(first) {}

  const double* read(int64_t row, int64_t count, double* buffer) const override {
    const T* data = static_cast<const T*>(column_.values.data);
    const int64_t stride = column_.values.strides[0];
    if constexpr (std::is_same_v<T, double>) {
      if (!listed_ && !column_.validity && stride == 1) return data + first_ + row;
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = listed_ ? listed_[row + i] : first_ + row + i;
      buffer[i] = double(to_number(data[at * stride]));
      if (!column_.has_value(at)) buffer[i] = std::numeric_limits<double>::quiet_NaN();
    }
    return buffer;
  }

 private:
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
