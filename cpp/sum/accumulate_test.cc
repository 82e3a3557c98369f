// Arrays of every type and layout, with the kernel named by EVENLY_KERNEL.
#include "sum/accumulate.h"

#include <cfenv>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/kernel_table.h"
#include "kernels/tile.h"
#include "sum/exponent_window.h"
#include "tests/check.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

std::string text_of(DType dtype, const Layout& layout, Kind kind) {
  return std::string(name_of(dtype)) + ", kind " + std::to_string(int(kind)) + ", " + layout.text();
}

// Compares the moments of one array with the reference.
void check(Random& random, DType dtype, const Layout& layout, Kind kind, int threads = 1) {
  Edge edge = random.one_in(4) ? Edge::kBegin : Edge::kEnd;
  TestArray x(dtype, layout, edge);
  fill(x, random, kind);
  AccumulateOptions options;
  options.infinite_as_missing = kind == Kind::kSomeInfinity;
  options.threads = threads;
  bool infinite = true;
  std::vector<Column> columns = accumulate(x.array(), options, infinite);
  int64_t different = difference(columns, reference(x).columns);
  CHECK(different < 0, text_of(dtype, layout, kind) + ": column " + std::to_string(different));
  CHECK(!infinite);
}

Kind random_kind(Random& random) { return Kind(random.below(kFiniteKinds)); }

// A number of columns or rows near a size at which the loops change.
int64_t interesting(Random& random, int64_t most) {
  int64_t size =
      random.one_of<int64_t>({1,  2,   3,   4,   7,   8,   15,  16,  17,  31,  32,  33,  63, 64,
                              65, 100, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 600});
  return size <= most ? size : random.between(1, most);
}

}  // namespace

TEST(columns_of_every_length_up_to_600) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    int64_t step = 100 / portion(100);
    for (int64_t rows = 1; rows <= 600; rows += random.between(1, 2 * step - 1)) {
      check(random, dtype, contiguous({rows}, -1), random_kind(random));
    }
  }
}

TEST(rows_of_every_width_up_to_600) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    int64_t step = 200 / portion(100);
    for (int64_t columns = 1; columns <= 600; columns += random.between(1, 2 * step - 1)) {
      int64_t rows = random.between(1, 20);
      check(random, dtype, contiguous({rows, columns}, 1), random_kind(random));
    }
  }
}

TEST(wide_rows_in_one_or_several_strips) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t bytes : {15 << 10, 17 << 10, 31 << 10, 33 << 10, 66 << 10}) {
      if (portion(100) < 100 && !random.one_in(3)) continue;
      int64_t columns = bytes / size_of(dtype) + random.below(40), rows = random.between(1, 150);
      Layout layout = contiguous({rows, columns}, 1);
      check(random, dtype, layout, random_kind(random), int(random.between(1, 3)));
    }
  }
}

TEST(sizes_near_tiles_in_c_and_fortran_order_and_as_slices) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t run = 0; run < portion(60); ++run) {
      int64_t columns = interesting(random, 600), rows = interesting(random, 40000 / columns);
      Layout layout = contiguous({rows, columns}, 1);
      switch (random.below(5)) {
        case 0:
          layout.strides = {1, rows};
          break;  // Fortran
        case 1:
          layout.strides = {columns + random.below(40), 1};
          break;  // x[:, :columns]
        case 2:
          layout.strides = {-columns, 1};
          break;  // x[::-1]
        case 3:
          layout.strides = {columns, -1};
          break;  // x[:, ::-1]; wrong start, same extent
        default:
          break;
      }
      check(random, dtype, layout, random_kind(random));
    }
  }
}

TEST(arbitrary_strides) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t run = 0; run < portion(150); ++run) {
      std::vector<int64_t> shape;
      int64_t left = 12000;
      for (int64_t axes = random.between(1, 5); axes > 0; --axes) {
        shape.push_back(
            interesting(random, std::max<int64_t>(1, random.one_in(3) ? left : left / 50)));
        left = std::max<int64_t>(1, left / shape.back());
      }
      int feature_axis = int(random.below(int64_t(shape.size())));
      if (shape.size() == 1 && random.one_in(2)) feature_axis = -1;
      Layout layout = random_layout(random, shape, feature_axis);
      check(random, dtype, layout, random_kind(random), random.one_in(4) ? 3 : 1);
    }
  }
}

TEST(extreme_bytes_do_not_overflow) {
  for (auto [dtype, byte] :
       {std::pair(DType::kInt8, 0x80), {DType::kInt8, 0x7f}, {DType::kUint8, 0xff}}) {
    std::vector<uint8_t> bytes(768 * 130, uint8_t(byte));
    Array x{bytes.data(), dtype, {768, 130}, {130, 1}, 1};
    AccumulateOptions options;
    bool infinite = true;
    std::vector<Column> expected = accumulate_scalar(x, options, infinite);
    CHECK(difference(accumulate(x, options, infinite), expected) < 0);
  }
}

TEST(images_with_channels_first_and_last) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t side : {1, 5, 14, 57}) {
      int64_t images = random.between(1, 12);
      check(random, dtype, contiguous({images, 3, side, side}, 1), random_kind(random), 2);
      check(random, dtype, contiguous({images, side, side, 3}, 3), random_kind(random), 2);
      check(random, dtype, contiguous({3, images, side}, 0), random_kind(random), 2);
    }
  }
}

TEST(every_kind_of_values) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int kind = 0; kind <= kFiniteKinds; ++kind) {
      check(random, dtype, contiguous({300 + portion(400), 40}, 1), Kind(kind));
      check(random, dtype, contiguous({portion(9000)}, -1), Kind(kind));
      check(random, dtype, contiguous({portion(5), 9, 700}, 1), Kind(kind));
    }
  }
}

TEST(empty_arrays_have_empty_moments) {
  for (DType dtype : kAllTypes) {
    for (const Layout& layout : {contiguous({0}, -1), contiguous({0, 5}, 1), contiguous({5, 0}, 1),
                                 contiguous({3, 4, 0}, 1)}) {
      TestArray x(dtype, layout, Edge::kEnd);
      bool infinite = true;
      std::vector<Column> columns = accumulate(x.array(), {}, infinite);
      CHECK(int64_t(columns.size()) == layout.columns());
      CHECK(!infinite);
      for (const Column& column : columns) CHECK(column.equal_sums(Column()));
    }
  }
}

TEST(finds_the_first_infinity_in_any_layout) {
  Random random(seed());
  for (DType dtype : kFloatTypes) {
    for (int64_t run = 0; run < portion(40); ++run) {
      Layout layout = random_layout(
          random, {random.between(1, 50), random.between(1, 9), random.between(1, 40)},
          int(random.below(3)));
      TestArray x(dtype, layout, Edge::kEnd);
      fill(x, random, Kind::kNormal);
      bool infinite = true;
      accumulate(x.array(), {}, infinite);
      CHECK(!infinite);
      CHECK(find_infinity(x.array(), nullptr).row == -1);
      fill(x, random, Kind::kSomeInfinity);
      Reference expected = reference(x);
      accumulate(x.array(), {}, infinite);
      CHECK(infinite == expected.infinite, text_of(dtype, layout, Kind::kSomeInfinity));
      Location location = find_infinity(x.array(), nullptr);
      CHECK(location.row == expected.first.row && location.column == expected.first.column);
    }
  }
}

template <class C>
void check_headroom(Random& random) {
  using Bits = typename Window<C>::Bits;
  using W = Window<C>;
  for (int64_t run = 0; run < portion(100000); ++run) {
    int top = int(random.between(W::kLowestTop, W::kHighestTop));
    C largest = largest_of<C>(top) / C(random.between(1, 3));
    Bits smallest = smallest_of<C>(top) + Bits(random.between(-1, 1)) * Bits(random.bits() >> 40);
    int without = top_for(largest), with_headroom = top_with_headroom(largest, smallest);
    CHECK(largest <= largest_of<C>(with_headroom) && with_headroom <= W::kHighestTop);
    // The headroom never excludes the smallest value, and is always used if it does not.
    bool lost = smallest >= smallest_of<C>(without) && smallest < smallest_of<C>(with_headroom);
    bool free = without < W::kHighestTop && smallest >= smallest_of<C>(without + 1);
    CHECK(!lost && (with_headroom == without + 1) == free);
  }
}

TEST(windows_have_headroom_where_it_costs_nothing) {
  Random random(seed());
  check_headroom<float>(random);
  check_headroom<double>(random);
}

// The lanes' integers are largest if all values are the largest that a window holds. One value at
// the window's lower end, in the first tile, prevents a binade of headroom.
TEST(lanes_flush_before_their_integers_overflow) {
  if (!chosen_kernels()) return;  // the scalar path has no lanes
  struct Case {
    DType dtype;
    double value;
  };
  for (Case c : {Case{DType::kFloat32, 2 - 0x1p-19}, Case{DType::kFloat64, 2 - 0x1p-19},
                 Case{DType::kBfloat16, 2 - 0x1p-7}, Case{DType::kFloat16, 2 - 0x1p-10},
                 Case{DType::kFloat32, -(2 - 0x1p-19)}, Case{DType::kFloat64, -(2 - 0x1p-20)}}) {
    // Overlapping blocks of rows: an axis with a stride of two rows.
    int64_t tiles = 4 * kTilesBeforeFlush + 3, rows = tiles * kTileRows, columns = 32;
    Layout layout{{tiles, kTileRows, columns}, {2 * columns, columns, 1}, 2};
    TestArray x(c.dtype, layout, Edge::kEnd);
    with_type(c.dtype, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      if constexpr (kIsFloating<T>) {
        T value;
        round_to(c.value, value);
        std::fill_n(x.data<T>(), x.bytes() / sizeof(T), value);
        T low;
        round_to(std::ldexp(1, 1 - Window<ComputeType<T>>::kBinades), low);
        std::fill_n(x.data<T>(), columns, low);
        bool infinite = true;
        std::vector<Column> sums = accumulate(x.array(), {}, infinite);
        Scaled scaled_value = scaled(double(to_number(value)));
        ExactSum sum, squares;
        sum.add_wide(int128(scaled_value.mantissa) * rows, scaled_value.exponent);
        for (int64_t i = 0; i < tiles; ++i) {
          squares.add_wide(int128(scaled_value.mantissa) * scaled_value.mantissa,
                           2 * scaled_value.exponent + 8);
        }
        Scaled scaled_low = scaled(double(to_number(low)));
        for (auto [sign, one] : {std::pair(-1, scaled_value), std::pair(1, scaled_low)}) {
          sum.add_wide(int128(one.mantissa) * sign, one.exponent);
          squares.add_wide(int128(one.mantissa) * one.mantissa * sign, 2 * one.exponent);
        }
        for (const Column& column : sums) {
          CHECK(column.sum == sum, name_of(c.dtype));
          CHECK(column.squares == squares, name_of(c.dtype));
          CHECK(column.count == rows, name_of(c.dtype));
        }
      }
    });
  }
}

// A few values in a few lanes that are far smaller or larger than the rest are summed separately.
// With more values or lanes, other code paths are taken.
TEST(few_outliers_in_few_lanes) {
  Random random(seed());
  for (DType dtype : kFloatTypes) {
    for (int64_t run = 0; run < portion(60); ++run) {
      int64_t lanes = kTileBytes / size_of(dtype), rows = random.between(1, 4 * kTileRows);
      bool one_column = random.below(3) == 0;
      Layout layout = one_column ? contiguous({rows * lanes}, -1) : contiguous({rows, lanes}, 1);
      TestArray x(dtype, layout, Edge::kEnd);
      with_type(dtype, [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        if constexpr (kIsFloating<T>) {
          T* values = x.data<T>();
          for (int64_t i = 0; i < rows * lanes; ++i) round_to(1 + double(i % 37) / 32, values[i]);
          const int apart = dtype == DType::kFloat16 ? 12 : 90;
          for (int64_t lane = random.between(0, 6); lane > 0; --lane) {
            int64_t column = int64_t(random.below(uint64_t(lanes)));
            for (int64_t few = random.between(1, 20); few > 0; --few) {
              int64_t row = int64_t(random.below(uint64_t(rows)));
              double sign = random.below(2) ? 1.0 : -1.0;
              const double far[] = {sign * std::ldexp(1.25, -apart), sign * std::ldexp(1.5, apart),
                                    0.0, std::nan("")};
              // NaN is rare, because the kernel checks for NaN from the first one on.
              round_to(far[random.below(random.below(8) ? 3 : 4)], values[row * lanes + column]);
            }
          }
        }
      });
      bool infinite = true;
      std::vector<Column> columns = accumulate(x.array(), {}, infinite);
      CHECK(!infinite);
      CHECK(difference(columns, reference(x).columns) < 0, text_of(dtype, layout, Kind::kNormal));
    }
  }
}

// A second accumulator takes the values outside of a lane's window. Lane 1 needs it in every tile,
// lane 0 in all tiles but those in which the second accumulator is flushed. (Regression: only lanes
// in use were flushed, and the integers of lane 0 overflowed.)
TEST(second_accumulator_flushes_idle_lanes) {
  if (!chosen_kernels()) return;
  constexpr int64_t kColumns = 32, kCycles = 9, kRows = kTilesBeforeFlush * kTileRows;
  // Overlapping blocks of rows: each cycle starts two rows later.
  Layout layout{{kCycles, kRows, kColumns}, {2 * kColumns, kColumns, 1}, 2};
  TestArray x(DType::kBfloat16, layout, Edge::kEnd);
  BFloat16 small, large;
  round_to(2 - 0x1p-7, small);
  round_to(std::ldexp(1, 60), large);
  int64_t smalls[2] = {0, 0};
  for_each_element(layout, [&](int64_t, int64_t column, int64_t offset) {
    int64_t row = offset / kColumns;
    bool rests = column == 0 && row / kTileRows >= kTilesBeforeFlush - 1;
    bool is_small = column < 2 && row % 2 == 1 && !rests;
    x.data<BFloat16>()[offset] = is_small ? small : large;
    if (is_small) ++smalls[column];
  });
  bool infinite = true;
  std::vector<Column> sums = accumulate(x.array(), {}, infinite);
  for (int c = 0; c < 2; ++c) {
    ExactSum sum;
    sum.add(255 * smalls[c], -7);
    sum.add(kRows * kCycles - smalls[c], 60);
    CHECK(sums[std::size_t(c)].sum == sum, "lane " + std::to_string(c));
  }
}

TEST(independent_of_the_callers_rounding_mode_and_flush_to_zero) {
  Random random(seed());
  for (DType dtype : kFloatTypes) {
    for (Kind kind : {Kind::kSubnormal, Kind::kTiny, Kind::kNormal, Kind::kAnyBits}) {
      for (const Layout& layout :
           {contiguous({400, 33}, 1), contiguous({5000}, -1), contiguous({2, 3, 900}, 1)}) {
        TestArray x(dtype, layout, Edge::kEnd);
        fill(x, random, kind);
        std::vector<Column> expected = reference(x).columns;
        bool infinite = true;
        std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
        unsigned mxcsr = _mm_getcsr();
        _mm_setcsr(mxcsr | 0x8040);  // flush to zero, subnormals are zero
#endif
        std::vector<Column> columns = accumulate(x.array(), {}, infinite);
#if defined(__x86_64__)
        CHECK(_mm_getcsr() >> 13 & 2);  // unchanged
        _mm_setcsr(mxcsr);
#endif
        CHECK(std::fegetround() == FE_UPWARD);
        std::fesetround(FE_TONEAREST);
        CHECK(difference(columns, expected) < 0, text_of(dtype, layout, kind));
      }
    }
  }
}
