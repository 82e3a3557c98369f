#include "base/array_view.h"

#include <algorithm>

namespace evenly {

int64_t Array::rows() const {
  int64_t rows = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (int(i) != feature_axis) rows *= shape[i];
  }
  return rows;
}

int64_t offset_of(const std::vector<Axis>& axes, int64_t index) {
  int64_t offset = 0;
  for (std::size_t i = axes.size(); i-- > 0;) {
    offset += index % axes[i].extent * axes[i].stride;
    index /= axes[i].extent;
  }
  return offset;
}

int64_t element_count(const std::vector<Axis>& axes) {
  int64_t extent = 1;
  for (const Axis& axis : axes) extent *= axis.extent;
  return extent;
}

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

StridedGrid strided_grid(const Array& array) {
  StridedGrid grid;
  grid.data = static_cast<const char*>(array.data);
  grid.dtype = array.dtype;
  int64_t size = size_of(array.dtype);
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    Axis axis{array.shape[i], array.strides[i]};
    if (axis.extent == 0) grid.empty = true;
    bool reversed = axis.stride < 0 && axis.extent > 1;
    if (reversed) {
      grid.data += (axis.extent - 1) * axis.stride * size;
      axis.stride = -axis.stride;
    }
    if (int(i) == array.feature_axis) {
      grid.feature = axis;
      grid.feature_reversed = reversed;
    } else if (axis.extent != 1) {
      grid.others.push_back(axis);
    }
  }
  std::stable_sort(grid.others.begin(), grid.others.end(),
                   [](const Axis& a, const Axis& b) { return a.stride > b.stride; });
  std::vector<Axis> merged;
  for (const Axis& axis : grid.others) {
    if (!merged.empty() && merged.back().stride == axis.extent * axis.stride) {
      merged.back() = {merged.back().extent * axis.extent, axis.stride};
    } else {
      merged.push_back(axis);
    }
  }
  grid.others = std::move(merged);
  return grid;
}

}  // namespace evenly
