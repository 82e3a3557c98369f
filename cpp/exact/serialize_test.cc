// Serialized moments are restored exactly; invalid bytes are rejected.
#include "exact/serialize.h"

#include <stdexcept>

#include "sum/scalar_sum.h"
#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

Column random_column(Random& random) {
  Column column;
  bool weighted = random.one_in(3);
  int reach = random.one_of({3, 90, 1000});
  for (int64_t i = random.below(6); i > 0; --i) {
    double x = std::ldexp(double(random.between(-1000, 1000)), int(random.between(-reach, reach)));
    column.include(random.one_in(4) ? extreme_value_of_integer(random.bits()) : extreme_value(x));
    column.sum.add(x);
    column.squares.add_wide(int128(random.bits()), int(random.between(-2 * reach, 2 * reach)));
    if (weighted) {
      ExactSum weight;
      weight.add(random.one_of({0.5, 3.0, 0x1p-70, 0x1p70}));
      random.one_in(2) ? column.add_count(weight) : column.add_missing(weight);
    }
    column.count += int64_t(random.of_length(40));
    column.missing += random.below(3);
  }
  return column;
}

std::vector<Column> with_histograms(Random& random, int64_t most) {
  std::vector<Column> columns(std::size_t(random.between(1, 4)));
  for (Column& column : columns) {
    column.histogram = std::make_unique<Histogram>(most);
    for (int64_t i = random.between(1, 60); i > 0; --i) {
      const double x = double(random.between(-9, 9)) * std::ldexp(1.0, int(random.below(9)));
      const int64_t count = random.between(1, 300);
      column.include(extreme_value(x));
      column.count += count;
      column.histogram->add(x, count);
    }
  }
  return columns;
}

Moments random_moments(Random& random) {
  std::vector<Column> columns;
  for (int64_t i = random.below(5); i > 0; --i) columns.push_back(random_column(random));
  return Moments(std::move(columns), random.one_in(2));
}

Moments deserialized(const std::string& bytes) {
  return deserialize(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

bool refused(const std::string& bytes) {
  try {
    deserialized(bytes);
    return false;
  } catch (const std::invalid_argument&) {
    return true;
  }
}

}  // namespace

TEST(serialization_round_trip) {
  Random random(seed());
  for (int64_t run = 0; run < portion(3000); ++run) {
    Moments moments = random_moments(random);
    Moments again = deserialized(serialize(moments));
    CHECK(again == moments);
    CHECK(again.extremes_are_bounds() == moments.extremes_are_bounds());
    CHECK(serialize(again) == serialize(moments));
    for (int64_t i = 0; i < moments.size(); ++i) {
      CHECK(again.column(i).min == moments.column(i).min);
      CHECK(again.column(i).max == moments.column(i).max);
    }
  }
}

TEST(histograms_round_trip) {
  Random random(seed());
  for (int64_t run = 0; run < portion(500); ++run) {
    const int64_t most = random.between(kMinBins, 40);
    Moments moments(with_histograms(random, most), random.one_in(2), 1, most);
    Moments again = deserialized(serialize(moments));
    CHECK(again.most_bins() == most);
    CHECK(serialize(again) == serialize(moments));
    for (int64_t i = 0; i < moments.size(); ++i) {
      const Column ours = moments.column(i), theirs = again.column(i);
      CHECK(ours.histogram->bins() == theirs.histogram->bins());
      CHECK(ours.histogram->shift() == theirs.histogram->shift());
    }
  }
}

TEST(histograms_that_no_values_have_are_rejected) {
  Random random(seed());
  Moments moments(with_histograms(random, 8), false, 1, 8);
  const std::string bytes = serialize(moments);
  int64_t refusals = 0;
  for (int64_t run = 0; run < portion(20000); ++run) {
    std::string changed = bytes;
    changed[std::size_t(random.below(int64_t(bytes.size())))] = char(random.bits());
    if (refused(changed)) {
      ++refusals;
    } else {
      CHECK(serialize(deserialized(changed)).size() > 0);  // for the sanitizers
    }
  }
  CHECK(refusals > 0);
  Column wrong = moments.column(0);
  wrong.count += 1;
  CHECK(refused(serialize(Moments({wrong}, false, 1, 8))));
  CHECK(refused(serialize(Moments({moments.column(0)}, false, 1, 7))));
  wrong.histogram.reset();
  CHECK(refused(serialize(Moments({wrong}, false, 1, 8))));
}

TEST(truncated_or_extended_bytes_are_rejected) {
  Random random(seed());
  for (int64_t run = 0; run < portion(300); ++run) {
    std::string bytes = serialize(random_moments(random));
    for (std::size_t length = 0; length < bytes.size(); ++length)
      CHECK(refused(bytes.substr(0, length)), std::to_string(length));
    CHECK(refused(bytes + '\0'));
  }
}

TEST(corrupted_bytes_are_rejected_or_valid) {
  Random random(seed());
  for (int64_t run = 0; run < portion(20000); ++run) {
    std::string bytes = serialize(random_moments(random));
    for (int64_t i = random.between(1, 4); i > 0; --i)
      bytes[std::size_t(random.below(int64_t(bytes.size())))] = char(random.bits());
    if (!refused(bytes)) deserialized(serialize(deserialized(bytes)));  // for the sanitizers
  }
}

TEST(claimed_column_count_allocates_no_memory) {
  CHECK(refused(std::string("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11)));
  CHECK(refused(std::string("\x02\x00\x00", 3)));
  CHECK(!refused(std::string("\x01\x00\x00", 3)));
}
