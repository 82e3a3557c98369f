// Scales every type to every floating-point type, with the kernel named by EVENLY_KERNEL.
#include "scale/scale.h"

#include <cfenv>

#include "tests/arrays.h"
#include "tests/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace evenly;
using namespace evenly::testing;

namespace {

struct Constants {
  std::vector<double> high, low, factor;

  Constants(Random& random, int64_t columns) {
    for (int64_t c = 0; c < columns; ++c) {
      high.push_back(std::ldexp(double(random.between(-1000, 1000)), int(random.between(-12, 12))));
      low.push_back(std::ldexp(double(random.between(-1000, 1000)), -60));
      factor.push_back(random.one_in(10) ? 0
                                         : std::ldexp(double(random.between(1, 1000)),
                                                      int(random.between(-9, 0))));
    }
  }
  ScaleOptions options(Random& random) const {
    ScaleOptions all{high.data(), low.data(), factor.data()};
    all.inverse = random.one_in(2);
    all.nan_to_zero = random.one_in(2);
    all.threads = int(random.between(1, 4));
    return all;
  }
};

// The formula for a single value.
template <class T>
double scaled_number(T element, const ScaleOptions& options, int64_t column) {
  double high = options.high[column], low = options.low[column], factor = options.factor[column];
  auto value = to_number(element);
  double x = double(value);
  if (options.nan_to_zero && x != x) return 0;
  if (options.inverse) return (x * factor + low) + high;
  if constexpr (sizeof(value) == 8 && std::is_integral_v<decltype(value)>) {
    // A double may not hold the integer; the difference is subtracted together with the low part.
    return ((x - high) + (double(int64_t(int128(value) - int128(x))) - low)) * factor;
  }
  return ((x - high) - low) * factor;
}

// The expected contents of the output's memory; bytes that belong to no element do not change.
std::vector<char> expected_memory(const TestArray& x, const TestArray& out,
                                  const ScaleOptions& options) {
  std::vector<char> memory(out.memory(), out.memory() + out.bytes());
  with_type(x.array().dtype, [&](auto* in_type) {
    with_type(out.array().dtype, [&](auto* out_type) {
      using In = std::remove_pointer_t<decltype(in_type)>;
      using Out = std::remove_pointer_t<decltype(out_type)>;
      if constexpr (kIsFloating<Out>) {
        std::vector<int64_t> offsets;
        for_each_element(out.layout(),
                         [&](int64_t, int64_t, int64_t offset) { offsets.push_back(offset); });
        std::size_t i = 0;
        Out* zero = reinterpret_cast<Out*>(memory.data()) +
                    (out.data<Out>() - reinterpret_cast<Out*>(out.memory()));
        for_each_element(x.layout(), [&](int64_t, int64_t column, int64_t offset) {
          round_to(scaled_number(x.data<In>()[offset], options, column), zero[offsets[i++]]);
        });
      }
    });
  });
  return memory;
}

// Whether the bytes are equal; any NaN equals any other.
bool same_memory(const TestArray& out, const std::vector<char>& expected) {
  if (std::memcmp(out.memory(), expected.data(), expected.size()) == 0) return true;
  return with_type(out.array().dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const T* a = reinterpret_cast<const T*>(out.memory());
    const T* b = reinterpret_cast<const T*>(expected.data());
    for (std::size_t i = 0; i < expected.size() / sizeof(T); ++i) {
      bool both_nan = to_number(a[i]) != to_number(a[i]) && to_number(b[i]) != to_number(b[i]);
      if (!both_nan && std::memcmp(a + i, b + i, sizeof(T)) != 0) return false;
    }
    return true;
  });
}

void check(Random& random, DType in, DType to, const Layout& x_layout, const Layout& out_layout) {
  TestArray x(in, x_layout, random.one_in(4) ? Edge::kBegin : Edge::kEnd);
  TestArray out(to, out_layout, random.one_in(4) ? Edge::kBegin : Edge::kEnd);
  fill(x, random, Kind(random.below(kFiniteKinds + 1)));
  Constants constants(random, x_layout.columns());
  ScaleOptions options = constants.options(random);
  std::vector<char> expected = expected_memory(x, out, options);
  scale(x.array(), out.array(), options);
  CHECK(same_memory(out, expected), std::string(name_of(in)) + " to " + name_of(to) + ", " +
                                        x_layout.text() + ", out " + out_layout.text());
}

}  // namespace

TEST(every_type_to_every_floating_point_type_in_any_layout) {
  Random random(seed());
  for (DType in : kAllTypes) {
    for (DType to : kFloatTypes) {
      for (int64_t run = 0; run < portion(40); ++run) {
        std::vector<int64_t> shape;
        for (int64_t axes = random.between(1, 4), left = 3000; axes > 0; --axes) {
          shape.push_back(
              random.between(1, std::max<int64_t>(1, random.one_in(3) ? left : left / 50)));
          left = std::max<int64_t>(1, left / shape.back());
        }
        int axis = shape.size() == 1 ? -1 : int(random.below(int64_t(shape.size())));
        check(random, in, to, random_layout(random, shape, axis),
              random_layout(random, shape, axis, true));
      }
    }
  }
}

TEST(rows_of_every_width_and_columns_of_every_length) {
  Random random(seed());
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    for (int64_t n = 1; n <= 600; n += random.between(1, 200 / portion(100) - 1)) {
      Layout rows = contiguous({random.between(1, 60), n}, 1), column = contiguous({n}, -1);
      check(random, dtype, dtype, rows, rows);
      check(random, dtype, dtype, column, column);
    }
  }
}

TEST(empty_arrays) {
  double constant = 1;
  for (const Layout& layout : {contiguous({0}, -1), contiguous({0, 1}, 1), contiguous({5, 0}, 1)}) {
    TestArray x(DType::kFloat32, layout, Edge::kEnd), out(DType::kFloat32, layout, Edge::kEnd);
    scale(x.array(), out.array(), {&constant, &constant, &constant});
  }
}

TEST(in_place) {
  Random random(seed());
  for (DType dtype : kFloatTypes) {
    for (int64_t run = 0; run < portion(60); ++run) {
      std::vector<int64_t> shape = {random.between(1, 40), random.between(1, 40),
                                    random.between(1, 9)};
      Layout layout = random_layout(random, shape, int(random.below(3)), true);
      TestArray x(dtype, layout, Edge::kEnd);
      fill(x, random, Kind(random.below(kFiniteKinds + 1)));
      Constants constants(random, layout.columns());
      ScaleOptions options = constants.options(random);
      std::vector<char> expected = expected_memory(x, x, options);
      scale(x.array(), x.array(), options);
      CHECK(same_memory(x, expected), std::string(name_of(dtype)) + ", " + layout.text());
    }
  }
}

TEST(large_outputs_written_past_the_cache) {
  Random random(seed());
  int64_t floats = (17 << 20) / 8, doubles = floats / 2;
  Layout fortran = contiguous({floats / 5, 5}, 1), slice = contiguous({doubles / 60, 60}, 1);
  fortran.strides = {1, floats / 5};
  slice.strides = {67, 1};
  for (const Layout& layout :
       {contiguous({floats + 1}, -1), contiguous({floats / 64 + 1, 64}, 1),
        contiguous({floats / 3000 + 1, 3000}, 1), contiguous({floats / 5001 + 1, 5001}, 1),
        contiguous({3, floats / 3 + 1}, 1), fortran}) {
    check(random, DType::kFloat32, DType::kFloat32, layout, layout);
  }
  for (const Layout& layout :
       {contiguous({doubles / 601 + 1, 601}, 1), contiguous({9, 3, doubles / 27 + 1}, 1), slice}) {
    check(random, DType::kFloat64, DType::kFloat64, layout, layout);
  }
}

// hi + lo is the mean to 106 bits, so no accuracy is lost at any offset.
TEST(float32_results_are_within_one_ulp_at_any_offset) {
  Random random(seed());
  for (int64_t run = 0; run < portion(20000); ++run) {
    double offset = std::ldexp(double(random.between(-1000, 1000)), int(random.between(0, 52)));
    double high = offset,
           low = std::ldexp(double(random.between(-1000, 1000)), std::ilogb(offset + 0.5) - 64);
    double factor = std::ldexp(double(random.between(1, 1000)), int(random.between(-20, 4)));
    ScaleOptions options{&high, &low, &factor};
    float result = 0;
    Array out{&result, DType::kFloat32, {1}, {1}, -1};
    auto check_one = [&](auto value, DType dtype) {
      scale({&value, dtype, {1}, {1}, -1}, out, options);
      long double exact = (((long double)value - high) - low) * factor;
      CHECK(std::abs(result - exact) <= std::abs(exact) * 0x1p-23L + 0x1p-149L,
            std::string(name_of(dtype)) + " " + std::to_string((long double)value));
    };
    check_one(offset + double(random.between(-1000, 1000)), DType::kFloat64);
    check_one(float(offset), DType::kFloat32);
    check_one(int64_t(offset) + random.between(-100000, 100000), DType::kInt64);
    if (offset > 200000)
      check_one(uint64_t(offset) + uint64_t(random.between(-100000, 100000)), DType::kUint64);
  }
}

TEST(independent_of_the_callers_rounding_mode_and_flush_to_zero) {
  Random random(seed());
  for (DType dtype : kFloatTypes) {
    Layout layout = contiguous({50, 30}, 1);
    TestArray x(dtype, layout, Edge::kEnd), out(dtype, layout, Edge::kEnd);
    fill(x, random, Kind::kSubnormal);
    std::vector<double> zeros(30, 0.0), factors(30, 0.75);
    ScaleOptions options{zeros.data(), zeros.data(), factors.data()};
    std::vector<char> expected = expected_memory(x, out, options);
    std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
    unsigned mxcsr = _mm_getcsr();
    _mm_setcsr(mxcsr | 0x8040);  // flush to zero, subnormals are zero
#endif
    scale(x.array(), out.array(), options);
#if defined(__x86_64__)
    _mm_setcsr(mxcsr);
#endif
    std::fesetround(FE_TONEAREST);
    CHECK(same_memory(out, expected), name_of(dtype));
  }
}
