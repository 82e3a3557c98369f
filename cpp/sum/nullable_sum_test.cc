// Columns with validity bitmaps at any bit offset.
#include "sum/accumulate.h"
#include "tests/check.h"
#include "tests/nullable_column.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

void check(Random& random, int64_t rows, int64_t count, bool infinities, int threads) {
  std::vector<NullableColumn> columns;
  std::vector<ArrowColumn> arrow;
  Reference expected(count);
  for (int64_t c = 0; c < count; ++c) {
    DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
    Kind kind = infinities ? Kind::kSomeInfinity : Kind(random.below(kFiniteKinds));
    columns.emplace_back(random, dtype, rows, kind);
    arrow.push_back(columns.back().arrow());
    columns.back().add_to([&](int64_t row, auto element, bool there) {
      if (there) {
        expected.add(row, c, element);
      } else {
        ++expected.columns[std::size_t(c)].missing;
      }
    });
  }
  AccumulateOptions options;
  options.infinite_as_missing = infinities;
  options.threads = threads;
  bool infinite = true;
  std::vector<Column> sums = accumulate(arrow, options, infinite);
  int64_t different = difference(sums, expected.columns);
  CHECK(different < 0, std::to_string(rows) + " rows, column " + std::to_string(different));
  CHECK(!infinite);
  std::vector<double> weights = random_weights(random, rows);
  options.weights = weights.data();
  sums = accumulate(arrow, options, infinite);
  CHECK(difference(sums, accumulate_scalar(arrow, options, infinite)) < 0, "weighted");
  options.weights = nullptr;
  if (!infinities) return;
  options.infinite_as_missing = false;
  accumulate(arrow, options, infinite);
  CHECK(infinite == expected.infinite);
  Location location = find_infinity(arrow, nullptr);
  CHECK(location.row == expected.first.row && location.column == expected.first.column);
}

}  // namespace

TEST(nulls_are_missing_at_any_bit_offset_and_length) {
  Random random(seed());
  for (int64_t run = 0; run < portion(400); ++run)
    check(random, random.between(0, 600), random.between(1, 6), false, 1);
}

TEST(long_columns_are_split_into_tasks) {
  Random random(seed());
  for (int64_t run = 0; run < portion(6); ++run) {
    check(random, random.between(20000, 60000), random.between(1, 5), false,
          int(random.between(1, 8)));
  }
}

TEST(infinities_under_nulls_are_ignored) {
  Random random(seed());
  for (int64_t run = 0; run < portion(100); ++run)
    check(random, random.between(1, 300), 3, true, 1);
}

TEST(weights_of_rows_with_and_without_a_value) {
  Random random(seed());
  for (int64_t run = 0; run < portion(100); ++run) {
    int64_t rows = random.between(1, 200);
    DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
    NullableColumn column(random, dtype, rows, Kind(random.below(kFiniteKinds)));
    std::vector<double> weights;
    for (int64_t row = 0; row < rows; ++row) weights.push_back(double(random.below(3)));
    Reference expected(1);
    column.add_to([&](int64_t row, auto element, bool there) {
      for (int i = 0; i < int(weights[std::size_t(row)]); ++i) {
        if (there) {
          expected.add(row, 0, element);
        } else {
          ++expected.columns[0].missing;
        }
      }
    });
    AccumulateOptions options;
    options.weights = weights.data();
    bool infinite = true;
    CHECK(difference(accumulate(std::vector{column.arrow()}, options, infinite), expected.columns) <
              0,
          name_of(dtype));
  }
}

TEST(empty_columns) {
  bool infinite = true;
  const double weight = 1;
  for (const double* weights : {(const double*)nullptr, &weight}) {
    const AccumulateOptions options{false, 4, weights};
    infinite = true;
    CHECK(accumulate(std::vector<ArrowColumn>{}, options, infinite).empty());
    CHECK(!infinite);
  }
  Random random(seed());
  check(random, 0, 3, false, 4);
}
