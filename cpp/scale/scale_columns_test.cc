// Scales tables of every type, with the kernel named by EVENLY_KERNEL.
#include "scale/scale_columns.h"

#include <cmath>

#include "base/int128.h"
#include "tests/check.h"
#include "tests/nullable_column.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

struct Tables {
  std::vector<double> high, low, factor;
  std::vector<int64_t> power, groups;

  Tables(Random& random, int64_t columns, int64_t rows, bool grouped, bool extreme) {
    const int64_t count = grouped ? random.between(1, 5) : 1;
    for (int64_t i = 0; i < count * columns; ++i) {
      high.push_back(std::ldexp(double(random.between(-1000, 1000)), int(random.between(-12, 12))));
      low.push_back(std::ldexp(double(random.between(-1000, 1000)), -60));
      factor.push_back(std::ldexp(double(random.between(0, 1000)), int(random.between(-9, 0))));
      if (extreme) power.push_back(random.one_in(2) ? 0 : random.between(-4, 600));
    }
    for (int64_t row = 0; grouped && row < rows; ++row) groups.push_back(random.below(count));
  }
};

template <class T>
double expected(T element, const ColumnScales& scales, int64_t at) {
  const double high = scales.high[at], low = scales.low[at], factor = scales.factor[at];
  const int power = scales.power ? int(scales.power[at]) : 0;
  const auto value = to_number(element);
  double x = double(value);
  if (scales.nan_to_zero && x != x) return 0;
  if (scales.inverse) return std::ldexp((x * factor + low) + high, -power);
  if (power != 0) return ((std::ldexp(x, power) - high) - low) * factor;
  if constexpr (sizeof(value) == 8 && std::is_integral_v<decltype(value)>)
    return ((x - high) + (double(int64_t(int128(value) - int128(x))) - low)) * factor;
  return ((x - high) - low) * factor;
}

bool same(double found, double wanted, bool wide) {
  if (!wide) wanted = double(float(wanted));
  return found == wanted || (found != found && wanted != wanted);
}

void check(Random& random, int64_t rows, int64_t count, int threads) {
  std::vector<NullableColumn> columns;
  std::vector<ArrowColumn> arrow;
  std::vector<Guarded> memory;
  std::vector<FloatColumn> outs;
  for (int64_t c = 0; c < count; ++c) {
    const DType dtype = kAllTypes[random.below(std::size(kAllTypes))];
    columns.emplace_back(random, dtype, rows, Kind::kSomeInfinity);
    arrow.push_back(columns.back().arrow());
    const DType out = random.one_in(2) ? DType::kFloat32 : DType::kFloat64;
    memory.emplace_back(std::size_t(rows * size_of(out)), Edge::kEnd);
    outs.push_back({memory.back().data(), out});
  }
  const bool grouped = random.one_in(2), extreme = random.one_in(4);
  const Tables tables(random, count, rows, grouped, extreme);
  ColumnScales scales{tables.high.data(), tables.low.data(), tables.factor.data()};
  scales.power = extreme ? tables.power.data() : nullptr;
  scales.groups = grouped ? tables.groups.data() : nullptr;
  scales.inverse = random.one_in(2), scales.nan_to_zero = random.one_in(2);
  scales.threads = threads;
  scale_columns(arrow, outs, scales);
  for (int64_t c = 0; c < count; ++c) {
    const bool wide = outs[std::size_t(c)].dtype == DType::kFloat64;
    const void* out = outs[std::size_t(c)].data;
    columns[std::size_t(c)].add_to([&](int64_t row, auto element, bool there) {
      const int64_t at = (grouped ? tables.groups[std::size_t(row)] : 0) * count + c;
      const double missing = scales.nan_to_zero ? 0 : std::nan("");
      const double wanted = there ? expected(element, scales, at) : missing;
      const double found =
          wide ? static_cast<const double*>(out)[row] : double(static_cast<const float*>(out)[row]);
      CHECK(same(found, wanted, wide), "row " + std::to_string(row));
    });
  }
}

}  // namespace

TEST(columns_of_every_type_are_scaled_with_their_missing_rows) {
  Random random(seed());
  for (int64_t i = 0; i < portion(2000); ++i)
    check(random, random.below(300), random.between(1, 6), int(random.between(1, 3)));
}

TEST(long_columns_are_split_into_tasks) {
  Random random(seed());
  for (int64_t i = 0; i < portion(6); ++i)
    check(random, random.between(100'000, 300'000), random.between(1, 4), 3);
}

TEST(tables_without_columns_or_rows_are_left_alone) {
  scale_columns({}, {}, {});
  Random random(seed());
  check(random, 0, 3, 1);
}
