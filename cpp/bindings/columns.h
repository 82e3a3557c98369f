// Columns of a table on their way to the core: views of memory that belongs to other libraries.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <vector>

#include "base/array_view.h"
#include "base/arrow_data.h"
#include "bindings/arrays.h"

namespace evenly {

// Columns of equal length, of which each is set once. The objects that own the memory are kept.
class Columns {
 public:
  Columns(int64_t count, int64_t rows);

  void set(int64_t index, const AnyArray& values, const std::optional<Bitmap>& validity,
           int64_t bit_offset);
  // Sets the columns at `indices` to those of an array with two dimensions.
  void set_matrix(const std::vector<int64_t>& indices, const AnyArray& values);
  // Sets column i to the child of a struct array at positions[i], where it has numbers or times in
  // a buffer; returns the other indices, which are not changed.
  std::vector<int64_t> set_arrow(const ArrowSchema& schema, const ArrowArray& array,
                                 const std::vector<int64_t>& positions,
                                 const nanobind::object& owner);

  Columns rows_from(int64_t start, int64_t stop) const;

  int64_t rows() const { return rows_; }
  int64_t size() const { return int64_t(columns_.size()); }
  std::vector<std::string> dtypes() const;
  const std::vector<ArrowColumn>& all() const { return columns_; }
  const std::vector<ArrowColumn>& complete() const;  // throws if a column is not set
  const ArrowColumn& at(int64_t index) const;

 private:
  int64_t rows_;
  std::vector<ArrowColumn> columns_;
  std::vector<nanobind::object> owners_;
  std::vector<AnyArray> arrays_;
  std::vector<Bitmap> bitmaps_;
};

}  // namespace evenly
