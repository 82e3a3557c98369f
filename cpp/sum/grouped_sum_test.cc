// Groups of rows against the sums of each group's rows.
#include "sum/grouped_sum.h"

#include <cmath>
#include <string>

#include "tests/check.h"
#include "tests/nullable_column.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

// Weights of 0 to 1.5.
std::vector<double> some_weights(Random& random, int64_t rows) {
  std::vector<double> weights(static_cast<std::size_t>(rows));
  for (double& weight : weights) weight = double(random.below(4)) / 2;
  return weights;
}

AccumulateOptions options_of(int threads, const std::vector<double>* weights) {
  AccumulateOptions options;
  options.threads = threads;
  options.weights = weights ? weights->data() : nullptr;
  return options;
}

// Columns of any type and stride, in which some rows may have no value.
void check_groups(Random& random, int64_t rows, int64_t count, bool weighted, int threads) {
  std::vector<NullableColumn> data;
  std::vector<ArrowColumn> columns;
  for (std::size_t c = 0; c < 3; ++c) {
    DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
    data.emplace_back(random, dtype, rows, Kind(random.below(kFiniteKinds)));
    columns.push_back(data.back().arrow());
  }
  std::vector<int64_t> codes(static_cast<std::size_t>(rows));
  for (int64_t& code : codes) code = random.below(count);
  const std::vector<double> weights = some_weights(random, rows);

  AccumulateOptions options = options_of(threads, weighted ? &weights : nullptr);
  bool infinite = true;
  std::vector<Column> sums =
      accumulate_groups(columns, {codes.data(), rows, count}, options, infinite);
  CHECK(!infinite);
  CHECK(int64_t(sums.size()) == 3 * count);

  // A group's rows alone: all rows, with a weight of 0 for those of other groups.
  for (int64_t group = 0; group < count; ++group) {
    std::vector<double> own(weights.size());
    for (std::size_t row = 0; row < own.size(); ++row) {
      own[row] = codes[row] != group ? 0 : weighted ? weights[row] : 1;
    }
    AccumulateOptions alone;
    alone.weights = own.data();
    std::vector<Column> expected = accumulate_scalar(columns, alone, infinite);
    for (std::size_t c = 0; c < 3; ++c) {
      const Column& sum = sums[std::size_t(group) * 3 + c];
      CHECK(sum.equal_sums(expected[c]),
            std::to_string(rows) + " rows, group " + std::to_string(group));
      CHECK(sum.min == expected[c].min && sum.max == expected[c].max);
    }
  }
}

// Slices of any type and stride, some of them empty, against each slice as a separate array.
void check_slices(Random& random, int64_t count, bool weighted, int threads) {
  std::vector<int64_t> starts{0};
  for (int64_t i = 0; i < count; ++i) {
    starts.push_back(starts.back() + (random.below(3) ? random.below(i % 7 ? 90 : 9000) : 0));
  }
  int64_t rows = starts.back();
  DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
  TestArray array(dtype, random_layout(random, {rows}, -1), Edge::kEnd);
  fill(array, random, Kind(random.below(kFiniteKinds)));
  const std::vector<double> weights = some_weights(random, rows);

  AccumulateOptions options = options_of(threads, weighted ? &weights : nullptr);
  bool infinite = true;
  std::vector<Column> sums =
      accumulate(Slices{array.array(), starts.data(), count}, options, infinite);
  CHECK(!infinite);
  CHECK(int64_t(sums.size()) == count);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    std::vector<double> own(weights.size());
    for (auto row = std::size_t(starts[i]); row < std::size_t(starts[i + 1]); ++row) {
      own[row] = weighted ? weights[row] : 1;
    }
    AccumulateOptions alone;
    alone.weights = own.data();
    Column expected = accumulate_scalar(array.array(), alone, infinite)[0];
    CHECK(sums[i].equal_sums(expected), "slice " + std::to_string(i));
    CHECK(sums[i].min == expected.min && sums[i].max == expected.max);
  }
}

}  // namespace

TEST(groups_have_the_sums_of_their_rows) {
  Random random(seed());
  for (int64_t rows : {0, 1, 7, 100, 3000, 20000}) {
    for (int64_t count : {1, 3, 20}) {
      check_groups(random, rows, count, false, 1);
      check_groups(random, rows, count, random.one_in(2), 3);
    }
  }
}

TEST(slices_have_the_sums_of_their_values) {
  Random random(seed());
  for (int64_t count : {0, 1, 2, 40}) {
    for (bool weighted : {false, true}) {
      for (int threads : {1, 3}) check_slices(random, count, weighted, threads);
    }
  }
}
