// Values counted in arrays of every type and layout, against a map of their values.
#include "distribution/count_values.h"

#include <string>

#include "distribution/value_counter.h"
#include "tests/check.h"
#include "tests/distribution_oracle.h"
#include "tests/nullable_column.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

std::vector<Column> sums_of(const TestArray& x, const AccumulateOptions& options) {
  bool infinite = false;
  return accumulate(x.array(), options, infinite);
}

std::vector<double> whole_weights(Random& random, int64_t rows) {
  std::vector<double> weights(static_cast<std::size_t>(rows));
  for (double& weight : weights) weight = double(random.below(4));
  return weights;
}

void check_array(Random& random, DType dtype, const Layout& layout, Kind kind, int64_t most,
                 bool weighted) {
  TestArray x(dtype, layout, random.one_in(2) ? Edge::kBegin : Edge::kEnd);
  fill(x, random, kind);
  const std::vector<double> weights = whole_weights(random, x.array().rows());
  std::vector<DistributionOracle> expected(std::size_t(layout.columns()));
  with_type(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_each_element(layout, [&](int64_t row, int64_t column, int64_t offset) {
      expected[std::size_t(column)].add(double(to_number(x.data<T>()[offset])),
                                        weighted ? int64_t(weights[std::size_t(row)]) : 1);
    });
  });
  AccumulateOptions options;
  options.infinite_as_missing = true;
  options.weights = weighted ? weights.data() : nullptr;
  for (int threads : {1, 3}) {
    options.threads = threads;
    std::vector<Column> columns = sums_of(x, options);
    count_values(x.array(), options, most, columns);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      CHECK(expected[i].equals(*columns[i].histogram),
            std::string(name_of(dtype)) + ", " + layout.text() + ", bins " + std::to_string(most));
      int64_t total = 0;
      for (const Bin& bin : columns[i].histogram->bins()) total += bin.count;
      CHECK(total == columns[i].count);
    }
  }
}

}  // namespace

TEST(arrays_of_every_type_and_layout) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t run = 0; run < portion(30); ++run) {
      const int64_t rows = random.between(0, 40), columns = random.between(1, 20);
      Layout layout = random.one_in(2)
                          ? random_layout(random, {rows, columns}, 1)
                          : random_layout(random, {rows, columns, random.between(1, 5)}, 1);
      check_array(random, dtype, layout, Kind(random.below(kFiniteKinds)), random.between(2, 50),
                  random.one_in(3));
    }
  }
}

TEST(long_columns_in_several_tasks) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int kind = 0; kind < kFiniteKinds; ++kind) {
      if (!random.one_in(portion(100) < 100 ? 40 : 12)) continue;  // the oracle is slow
      check_array(random, dtype, contiguous({random.between(30'000, 50'000)}, -1), Kind(kind),
                  random.one_of<int64_t>({2, 64, 1024}), random.one_in(4));
    }
  }
}

TEST(arrays_without_rows) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    for (int64_t columns : {1, 2, 9}) {
      check_array(random, dtype, contiguous({0, columns}, 1), Kind(0), 16, false);
      check_array(random, dtype, contiguous({0, columns}, 1), Kind(0), 16, true);
      check_array(random, dtype, contiguous({3, columns, 0}, 1), Kind(0), 16, false);
    }
  }
}

TEST(columns_side_by_side) {
  Random random(seed());
  for (DType dtype : kAllTypes) {
    if (portion(100) < 100 && !random.one_in(4)) continue;  // the oracle is slow
    const int64_t rows = random.between(1025, 4000), columns = random.between(2, 9);
    check_array(random, dtype, random_layout(random, {rows, columns}, 1),
                Kind(random.below(kFiniteKinds)), random.one_of<int64_t>({16, 1024}),
                random.one_in(4));
  }
}

TEST(values_that_move_while_they_are_counted) {
  Random random(seed());
  for (int64_t run = 0; run < portion(6); ++run) {
    const int64_t most = random.one_of<int64_t>({2, 16, 300});
    ValueCounter counter(most);
    for (int again = 0; again < 2; ++again) {  // a counter starts again
      DistributionOracle expected;
      Histogram parts(most);
      for (int phase = 0; phase < 4; ++phase) {
        const double scale = std::ldexp(1.0, int(random.between(-600, 600)));
        const int64_t steps = random.one_of<int64_t>({1, 3, 100, int64_t(1) << 40});
        for (int block = 0; block < 24; ++block) {
          std::vector<double> values(std::size_t(random.between(1, ValueCounter::kBlock)));
          for (double& value : values) {
            value = double(random.between(-steps, steps)) * scale;
            if (random.one_in(50)) value = std::numeric_limits<double>::quiet_NaN();
            if (random.one_in(50)) value = -std::numeric_limits<double>::infinity();
            expected.add(value);
          }
          counter.add(values.data(), int64_t(values.size()));
          if (random.one_in(20)) parts.add(counter.take());
        }
      }
      parts.add(counter.take());
      CHECK(expected.equals(parts));
      counter.reset();
    }
  }
}

TEST(groups_of_columns_with_missing_values) {
  Random random(seed());
  for (int64_t run = 0; run < portion(60); ++run) {
    const int64_t rows = random.one_in(6) ? random.between(3000, 9000) : random.between(0, 60);
    const int64_t count = random.between(1, 4), most = random.between(2, 40);
    std::vector<NullableColumn> data;
    std::vector<ArrowColumn> columns;
    for (std::size_t c = 0; c < 3; ++c) {
      DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
      data.emplace_back(random, dtype, rows, Kind(random.below(kFiniteKinds)));
      columns.push_back(data.back().arrow());
    }
    std::vector<int64_t> codes(static_cast<std::size_t>(rows));
    for (int64_t& code : codes) code = random.below(count);
    const bool weighted = random.one_in(3);
    const std::vector<double> weights = whole_weights(random, rows);
    AccumulateOptions options;
    options.infinite_as_missing = true;
    options.threads = int(random.between(1, 3));
    options.weights = weighted ? weights.data() : nullptr;
    bool infinite = false;
    const RowGroups groups{codes.data(), rows, count};
    std::vector<Column> sums = accumulate_groups(columns, groups, options, infinite);
    count_values(columns, groups, options, most, sums);
    std::vector<Column> whole = accumulate(columns, options, infinite);
    count_values(columns, options, most, whole);
    for (std::size_t c = 0; c < 3; ++c) {
      std::vector<DistributionOracle> expected(std::size_t(count) + 1);
      data[c].add_to([&](int64_t row, auto element, bool has_value) {
        if (!has_value) return;
        const double value = double(to_number(element));
        const int64_t weight = weighted ? int64_t(weights[std::size_t(row)]) : 1;
        expected[std::size_t(codes[std::size_t(row)])].add(value, weight);
        expected.back().add(value, weight);
      });
      CHECK(expected.back().equals(*whole[c].histogram));
      for (std::size_t g = 0; g < std::size_t(count); ++g) {
        CHECK(expected[g].equals(*sums[3 * g + c].histogram));
      }
    }
  }
}

TEST(slices_of_an_array) {
  Random random(seed());
  for (int64_t run = 0; run < portion(60); ++run) {
    std::vector<int64_t> starts{0};
    for (int64_t i = random.between(1, 5); i > 0; --i) {
      starts.push_back(starts.back() + random.below(40));
    }
    TestArray x(DType::kFloat32, contiguous({starts.back()}, -1), Edge::kEnd);
    fill(x, random, Kind(random.below(kFiniteKinds)));
    const Slices slices{x.array(), starts.data(), int64_t(starts.size()) - 1};
    AccumulateOptions options;
    const std::vector<double> weights = whole_weights(random, starts.back());
    if (random.one_in(2)) options.weights = weights.data();
    bool infinite = false;
    std::vector<Column> columns = accumulate(slices, options, infinite);
    count_values(slices, options, 16, columns);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      DistributionOracle expected;
      for (int64_t at = starts[i]; at < starts[i + 1]; ++at) {
        expected.add(double(x.data<float>()[at]),
                     options.weights ? int64_t(weights[std::size_t(at)]) : 1);
      }
      CHECK(expected.equals(*columns[i].histogram));
    }
  }
}

// Their bins share the upper 32 bits, or all of them, unlike those of other tests.
TEST(values_in_a_narrow_range) {
  Random random(seed());
  for (int64_t run = 0; run < portion(8); ++run) {
    const int lost = random.one_of<int>({0, 3, 12, 20});
    const double offset = random.one_of<double>({1e9, -1e9, 0.1});
    ValueCounter counter(random.one_of<int64_t>({16, 1024}));
    DistributionOracle expected;
    std::vector<double> values(1021);  // not a multiple of the values in a register
    for (int block = 0; block < 16; ++block) {
      for (double& value : values) {
        const int64_t step = random.below(1 << 14) << lost;
        value = from_ordered_bits(ordered_bits(offset) + uint64_t(step));
        if (random.one_in(3)) value = random.one_of<double>({0.0, -0.0, NAN, 1e300});
        expected.add(value);
      }
      counter.add(values.data(), int64_t(values.size()));
    }
    CHECK(expected.equals(counter.take()));
  }
}

// Such as amounts in cents. They are not dyadic fractions, so they are counted in the hash table.
TEST(evenly_spaced_values) {
  Random random(seed());
  for (int64_t run = 0; run < portion(12); ++run) {
    ValueCounter counter(random.one_of<int64_t>({16, 1024}));
    DistributionOracle expected;
    std::vector<double> values(1021), weights(values.size());
    for (int phase = 0; phase < 2; ++phase) {
      const double parts = random.one_of<double>({3, 100, 1e-5, 1e300});
      const double first = random.one_of<double>({0, 0.005, -1e6, 1e15});
      const bool weighted = random.one_in(4);
      for (int block = 0; block < 24; ++block) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          values[i] = first + double(random.below(900)) / parts;
          if (random.one_in(40)) values[i] = random.one_of<double>({0.0, -0.0, NAN, -INFINITY});
          if (random.one_in(400)) values[i] = random.one_of<double>({-9999, 1e300, 0.1 + 0.2});
          weights[i] = weighted ? double(random.below(3)) : 1;
          expected.add(values[i], int64_t(weights[i]));
        }
        weighted ? counter.add(values.data(), weights.data(), int64_t(values.size()))
                 : counter.add(values.data(), int64_t(values.size()));
      }
    }
    CHECK(expected.equals(counter.take()));
  }
}

TEST(counts_that_are_no_integers_are_refused) {
  const double values[] = {1.0, 2.0}, weights[] = {1e300, 1.0};
  const Array array{values, DType::kFloat64, {2}, {1}, -1};
  AccumulateOptions options;
  options.weights = weights;
  bool infinite = false;
  std::vector<Column> columns = accumulate(array, options, infinite);
  bool refused = false;
  try {
    count_values(array, options, 8, columns);
  } catch (const std::overflow_error&) {
    refused = true;
  }
  CHECK(refused);
}
