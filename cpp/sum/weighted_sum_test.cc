// A weight of 2 counts a row twice, and fractional weights are exact.
#include "sum/accumulate.h"
#include "tests/check.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

std::vector<Column> accumulated(const Array& array, const double* weights) {
  AccumulateOptions options;
  options.weights = weights;
  options.infinite_as_missing = true;
  bool infinite = true;
  std::vector<Column> columns = accumulate(array, options, infinite);
  CHECK(!infinite);
  return columns;
}

}  // namespace

TEST(integer_weights_repeat_rows) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t run = 0; run < portion(25); ++run) {
      int64_t rows = random.between(1, 150), columns = random.between(1, 40);
      TestArray x(dtype, random_layout(random, {rows, columns}, 1), Edge::kEnd);
      fill(x, random, Kind(random.below(kFiniteKinds + 1)));
      Guarded memory(std::size_t(rows) * sizeof(double), Edge::kEnd);
      double* weights = reinterpret_cast<double*>(memory.data());
      std::vector<int64_t> repeated;
      for (int64_t row = 0; row < rows; ++row) {
        weights[row] = double(random.below(4));
        repeated.insert(repeated.end(), std::size_t(weights[row]), row);
      }
      TestArray rows_repeated(dtype, contiguous({int64_t(repeated.size()), columns}, 1),
                              Edge::kEnd);
      with_type(dtype, [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        for_each_element(rows_repeated.layout(), [&](int64_t row, int64_t column, int64_t offset) {
          int64_t from =
              repeated[std::size_t(row)] * x.layout().strides[0] + column * x.layout().strides[1];
          rows_repeated.data<T>()[offset] = x.data<T>()[from];
        });
      });
      int64_t different =
          difference(accumulated(x.array(), weights), accumulated(rows_repeated.array(), nullptr));
      CHECK(different < 0, name_of(dtype));
    }
  }
}

TEST(fractional_weights_scale_the_sums_exactly) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    int64_t rows = 90, columns = 7;
    TestArray x(dtype, random_layout(random, {rows, columns}, 1), Edge::kEnd);
    fill(x, random, Kind(random.below(kFiniteKinds)));
    std::vector<double> weights, eighths;
    for (int64_t row = 0; row < rows; ++row) {
      weights.push_back(double(random.below(100)));
      eighths.push_back(weights.back() / 8);
    }
    std::vector<Column> whole = accumulated(x.array(), weights.data());
    std::vector<Column> parts = accumulated(x.array(), eighths.data());
    for (std::size_t c = 0; c < whole.size(); ++c) {
      auto is_eighth = [](const ExactSum& eighth, const ExactSum& of) {
        ExactSum sum;
        for (int i = 0; i < 8; ++i) sum.add(eighth);
        return sum == of;
      };
      CHECK(is_eighth(parts[c].sum, whole[c].sum), name_of(dtype));
      CHECK(is_eighth(parts[c].squares, whole[c].squares), name_of(dtype));
      CHECK(is_eighth(parts[c].total_count(), whole[c].total_count()), name_of(dtype));
      CHECK(is_eighth(parts[c].total_missing(), whole[c].total_missing()), name_of(dtype));
    }
  }
}

TEST(weighted_tiles_of_any_layout_equal_the_scalar_path) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t run = 0; run < portion(60); ++run) {
      const bool narrow = random.one_in(4);
      std::vector<int64_t> shape = {random.between(1, narrow ? 9000 : 700),
                                    random.between(1, narrow ? 3 : 40)};
      if (random.one_in(4))
        shape = {random.between(1, 9), random.between(1, 20), shape[0] / 20 + 1};
      int axis = int(random.below(int64_t(shape.size())));
      TestArray x(dtype, random_layout(random, shape, axis), Edge::kEnd);
      fill(x, random, Kind(random.below(kFiniteKinds + 1)));
      std::vector<double> weights = random_weights(random, x.array().rows());
      AccumulateOptions options;
      options.weights = weights.data();
      options.infinite_as_missing = random.one_in(2);
      options.threads = int(random.between(1, 4));
      bool infinite = false, plain_infinite = true;
      std::vector<Column> sums = accumulate(x.array(), options, infinite);
      std::vector<Column> plain = accumulate_scalar(x.array(), options, plain_infinite);
      CHECK(infinite == plain_infinite);
      if (infinite) continue;
      CHECK(difference(sums, plain) < 0, std::string(name_of(dtype)) + ", " + x.layout().text());
    }
  }
}

TEST(infinities_in_rows_of_zero_weight_are_ignored) {
  double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> values = {1, infinity, 3, infinity}, weights = {1, 0, 2, 0};
  Array array{values.data(), DType::kFloat64, {4}, {1}, -1};
  AccumulateOptions options;
  options.weights = weights.data();
  bool infinite = true;
  std::vector<Column> columns = accumulate(array, options, infinite);
  CHECK(!infinite);
  CHECK(find_infinity(array, weights.data()).row == -1);
  CHECK(columns[0].count == 3 && columns[0].missing == 0);
  weights[3] = 0.5;
  accumulate(array, options, infinite);
  CHECK(infinite);
  CHECK(find_infinity(array, weights.data()).row == 3);
}
