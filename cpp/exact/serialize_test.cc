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

Moments random_moments(Random& random) {
  std::vector<Column> columns;
  for (int64_t i = random.below(5); i > 0; --i) columns.push_back(random_column(random));
  return Moments(std::move(columns), random.one_in(2));
}

Moments deserialized(const std::string& bytes) {
  bool bounds = false;
  auto columns = deserialize(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), bounds);
  return Moments(std::move(columns), bounds);
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
