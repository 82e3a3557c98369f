// Columns of floats as results, in memory that Arrow data and NumPy arrays share.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/columns.h"
#include "scale/scale_columns.h"

namespace evenly {

class FloatColumns {
 public:
  // With `nulls`, rows without a value in the columns are null in Arrow's layout.
  FloatColumns(const std::vector<ArrowColumn>& like, int64_t rows, const std::vector<bool>& wide,
               bool nulls);

  const std::vector<FloatColumn>& columns() const { return memory_->columns; }
  // A schema and an array capsule of a struct array.
  std::pair<nanobind::object, nanobind::object> to_arrow(
      const std::vector<std::string>& names) const;
  nanobind::object values(int64_t index) const;   // as a NumPy array
  nanobind::object missing(int64_t index) const;  // a mask of the null rows; None without them

  struct Memory {
    int64_t rows = 0;
    std::vector<FloatColumn> columns;
    std::vector<const void*> buffers;  // of each column: the validity bitmap or null, the values
    std::vector<std::unique_ptr<uint8_t[]>> bitmaps;
    std::shared_ptr<void> block;
  };

 private:
  std::shared_ptr<const Memory> memory_;
};

}  // namespace evenly
