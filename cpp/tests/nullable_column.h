// A column with a validity bitmap at any bit offset.
#pragma once

#include "tests/arrays.h"

namespace evenly::testing {

// A column, its bitmap in separate guarded memory, and the expected values.
struct NullableColumn {
  TestArray values;
  int64_t bit_offset;
  Guarded bitmap;
  bool has_bitmap;

  NullableColumn(Random& random, DType dtype, int64_t rows, Kind kind)
      : values(dtype, random_layout(random, {rows}, -1), Edge::kEnd),
        bit_offset(random.below(20)),
        bitmap(std::size_t((bit_offset + rows + 7) / 8), Edge::kEnd),
        has_bitmap(!random.one_in(4)) {
    fill(values, random, kind);
    int64_t density = random.one_of<int64_t>({1, 2, 10, 1000});
    for (int64_t bit = 0; bit < (bit_offset + rows + 7) / 8 * 8; ++bit) {
      if (!random.one_in(density) || density == 1) bitmap.data()[bit / 8] |= char(1 << bit % 8);
    }
    if (random.one_in(10)) std::memset(bitmap.data(), 0, std::size_t((bit_offset + rows + 7) / 8));
  }
  ArrowColumn arrow() const {
    ArrowColumn column{values.array()};
    column.validity = has_bitmap ? reinterpret_cast<const uint8_t*>(bitmap.data()) : nullptr;
    column.bit_offset = bit_offset;
    return column;
  }
  bool has_value(int64_t row) const {
    int64_t bit = bit_offset + row;
    return !has_bitmap || (uint8_t(bitmap.data()[bit / 8]) >> bit % 8 & 1);
  }
  template <class F>
  void add_to(F&& add) const {
    with_type(values.array().dtype, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      for_each_element(values.layout(), [&](int64_t row, int64_t, int64_t offset) {
        add(row, values.data<T>()[offset], has_value(row));
      });
    });
  }
};

}  // namespace evenly::testing
