// Arrays of any layout in guarded memory, filled with test values.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "base/array_view.h"
#include "base/dtype.h"
#include "base/rounding.h"
#include "sum/scalar_sum.h"
#include "tests/guarded.h"
#include "tests/random.h"

namespace evenly::testing {

inline constexpr DType kAllTypes[] = {
    DType::kBool,     DType::kInt8,    DType::kUint8,  DType::kInt16,  DType::kUint16,
    DType::kInt32,    DType::kUint32,  DType::kInt64,  DType::kUint64, DType::kFloat16,
    DType::kBfloat16, DType::kFloat32, DType::kFloat64};
inline constexpr DType kFloatTypes[] = {DType::kFloat16, DType::kBfloat16, DType::kFloat32,
                                        DType::kFloat64};

// ---- Layouts -----------------------------------------------------------------------------

struct Layout {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // elements
  int feature_axis = -1;

  int64_t columns() const { return feature_axis < 0 ? 1 : shape[std::size_t(feature_axis)]; }
  int64_t elements() const {
    int64_t product = 1;
    for (int64_t extent : shape) product *= extent;
    return product;
  }
  std::string text() const {
    std::string out = "shape";
    for (int64_t extent : shape) out.append(" ").append(std::to_string(extent));
    out += ", strides";
    for (int64_t stride : strides) out.append(" ").append(std::to_string(stride));
    return out + ", feature axis " + std::to_string(feature_axis);
  }
};

// Calls f(row, column, offset) for each element; rows count over all other axes in C order.
template <class F>
void for_each_element(const Layout& layout, F&& f) {
  std::size_t axes = layout.shape.size();
  if (layout.elements() == 0) return;
  std::vector<int64_t> index(axes);
  for (;;) {
    int64_t row = 0, column = 0, offset = 0;
    for (std::size_t i = 0; i < axes; ++i) {
      offset += index[i] * layout.strides[i];
      if (int(i) == layout.feature_axis) {
        column = index[i];
      } else {
        row = row * layout.shape[i] + index[i];
      }
    }
    f(row, column, offset);
    std::size_t axis = axes;
    while (axis > 0 && ++index[axis - 1] == layout.shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

inline Layout contiguous(std::vector<int64_t> shape, int feature_axis) {
  Layout layout{std::move(shape), {}, feature_axis};
  layout.strides.resize(layout.shape.size());
  int64_t stride = 1;
  for (std::size_t i = layout.shape.size(); i-- > 0; stride *= layout.shape[i]) {
    layout.strides[i] = stride;
  }
  return layout;
}

// Random strides: axes in any memory order, with gaps, reversed, or (unless every element must have
// its own address) broadcast with a stride of 0.
inline Layout random_layout(Random& random, std::vector<int64_t> shape, int feature_axis,
                            bool own_places = false) {
  Layout layout{std::move(shape), {}, feature_axis};
  std::size_t axes = layout.shape.size();
  std::vector<std::size_t> order(axes);
  for (std::size_t i = 0; i < axes; ++i) order[i] = i;
  bool shuffled = random.one_in(2);
  for (std::size_t i = axes; shuffled && i > 1; --i) {
    std::swap(order[i - 1], order[std::size_t(random.below(int64_t(i)))]);
  }
  layout.strides.resize(axes);
  bool gaps = random.one_in(2), backwards = random.one_in(3),
       still = !own_places && random.one_in(6);
  int64_t stride = 1;
  for (std::size_t i = axes; i-- > 0;) {
    std::size_t axis = order[i];
    if (gaps && random.one_in(3))
      stride = stride * random.between(1, 3) + random.below(2) * random.below(9);
    layout.strides[axis] = backwards && random.one_in(2) ? -stride : stride;
    if (still && random.one_in(2)) {
      layout.strides[axis] = 0;
    } else {
      stride *= layout.shape[axis];
    }
  }
  return layout;
}

// ---- Memory ------------------------------------------------------------------------------

// An array whose first or last element is adjacent to an inaccessible page.
class TestArray {
 public:
  TestArray(DType dtype, Layout layout, Edge edge)
      : layout_(std::move(layout)),
        size_(size_of(dtype)),
        low_(0),
        high_(-1),
        memory_(extent(), edge) {
    array_.data = memory_.data() - low_ * size_;
    array_.dtype = dtype;
    array_.shape = layout_.shape;
    array_.strides = layout_.strides;
    array_.feature_axis = layout_.feature_axis;
    // Bytes that belong to no element would change any sum.
    std::memset(memory_.data(), 0x7b, bytes());
  }

  const Array& array() const { return array_; }
  const Layout& layout() const { return layout_; }
  char* memory() const { return memory_.data(); }
  std::size_t bytes() const { return std::size_t((high_ - low_ + 1) * size_); }
  template <class T>
  T* data() const {
    return static_cast<T*>(const_cast<void*>(array_.data));
  }

 private:
  std::size_t extent() {
    if (layout_.elements() == 0) return 0;
    high_ = 0;
    for (std::size_t i = 0; i < layout_.shape.size(); ++i) {
      int64_t reach = (layout_.shape[i] - 1) * layout_.strides[i];
      (reach < 0 ? low_ : high_) += reach;
    }
    return bytes();
  }

  Layout layout_;
  int64_t size_;
  int64_t low_, high_;  // offsets of the first and last element in memory
  Guarded memory_;
  Array array_;
};

// ---- Values ------------------------------------------------------------------------------

enum class Kind {
  kNormal,
  kOffset,
  kSmallIntegers,
  kSubnormal,
  kTiny,
  kHuge,
  kAnyBits,
  kZeros,
  kEqual,
  kSomeNan,
  kAllNan,
  kOutliers,
  kDrifting,
  kColumnScales,
  kWindowEdges,
  kTwoScales,
  kFiveScales,
  kSomeInfinity  // last: used only on request
};
inline constexpr int kFiniteKinds = int(Kind::kSomeInfinity);

template <class T>
struct Range;
template <>
struct Range<Float16> {
  static constexpr int kLowest = -14, kHighest = 15, kMantissa = 11;
};
template <>
struct Range<BFloat16> {
  static constexpr int kLowest = -126, kHighest = 127, kMantissa = 8;
};
template <>
struct Range<float> {
  static constexpr int kLowest = -126, kHighest = 127, kMantissa = 24;
};
template <>
struct Range<double> {
  static constexpr int kLowest = -1022, kHighest = 1023, kMantissa = 53;
};

template <class T>
class Values {
 public:
  Values(Random& random, Kind kind) : random_(random), kind_(kind) {
    if constexpr (kIsFloating<T>) {
      constant_ = with_exponent(random.one_of({0, 3, -7, -200, 200, 900, -900}));
    } else {
      constant_ = any_integer();
    }
  }

  T draw(int64_t row, int64_t column) {
    if constexpr (kIsFloating<T>) {
      return floating(row, column);
    } else {
      return integer(row);
    }
  }

 private:
  using R = Range<std::conditional_t<kIsFloating<T>, T, double>>;

  static T rounded(double value) {
    T out;
    if constexpr (kIsFloating<T>) round_to(value, out);
    return out;
  }
  // A full mantissa and a random sign; the exponent is clamped to the type's range.
  T with_exponent(int exponent) {
    exponent = std::clamp(exponent, R::kLowest, R::kHighest);
    int64_t top = int64_t(1) << (R::kMantissa - 1);
    double value = std::ldexp(double(top + random_.below(top)), exponent - R::kMantissa + 1);
    return rounded(random_.one_in(2) ? value : -value);
  }
  T any_bits() {
    for (;;) {
      uint64_t bits = random_.bits();
      T value;
      std::memcpy(&value, &bits, sizeof value);
      if (std::isfinite(double(to_number(value)))) return value;
    }
  }
  static T nan() { return rounded(std::numeric_limits<double>::quiet_NaN()); }

  T floating(int64_t row, int64_t column) {
    switch (kind_) {
      case Kind::kOffset:
        return rounded(std::ldexp(1.0, std::min(R::kMantissa - 1, 14)) + double(random_.below(9)));
      case Kind::kSmallIntegers:
        return rounded(double(random_.between(-9, 9)));
      case Kind::kSubnormal: {
        double unit = std::ldexp(1.0, R::kLowest - R::kMantissa + 1);
        return rounded(unit * double(random_.between(-(1 << (R::kMantissa % 32 - 1)) + 1,
                                                     (1 << (R::kMantissa % 32 - 1)) - 1)));
      }
      case Kind::kTiny:
        return with_exponent(int(R::kLowest + random_.below(4)));
      case Kind::kHuge:
        return with_exponent(int(R::kHighest - random_.below(4)));
      case Kind::kAnyBits:
        return any_bits();
      case Kind::kZeros:
        return random_.one_in(20) ? with_exponent(0) : rounded(random_.one_in(2) ? 0.0 : -0.0);
      case Kind::kEqual:
        return constant_;
      case Kind::kSomeNan:
        return random_.one_in(10) ? nan() : with_exponent(1);
      case Kind::kAllNan:
        return nan();
      case Kind::kOutliers:
        return random_.one_in(300) ? any_bits() : with_exponent(2);
      case Kind::kDrifting:
        return with_exponent(int((row / 100 * 37 + column) % 300) - 150);
      case Kind::kColumnScales:
        return with_exponent(int(column * 13 % 400) - 200);
      case Kind::kWindowEdges:
        return at_window_edge();
      case Kind::kTwoScales:
        return with_exponent(random_.one_in(2) ? -8 : 30);
      case Kind::kFiveScales:
        return with_exponent(int(random_.below(5)) * 40 - 100);
      case Kind::kSomeInfinity: {
        double infinity = std::numeric_limits<double>::infinity();
        if (random_.one_in(40)) return rounded(random_.one_in(2) ? infinity : -infinity);
        return random_.one_in(20) ? nan() : with_exponent(0);
      }
      default:
        return with_exponent(int(random_.between(-4, 1)));
    }
  }
  // Values at the ends of a window of 22 or 19 binades, and near its largest value.
  T at_window_edge() {
    int exponent = random_.one_of({0, 0, 0, 1, -17, -18, -19, -20, -21, -22, -23});
    double mantissa = random_.one_of({1.0, 1 + 0x1p-10, 2 - 0x1p-19, 2 - 0x1p-18, 2 - 0x1p-20,
                                      2 - 0x1p-7, 2 - 0x1p-23, 2 - 0x1p-52});
    return rounded(std::ldexp(random_.one_in(4) ? -mantissa : mantissa, exponent));
  }

  T any_integer() {
    uint64_t bits = random_.bits();
    T value;
    std::memcpy(&value, &bits, sizeof value);
    if constexpr (std::is_same_v<T, Bool>) value.value &= 1;
    return value;
  }
  T integer(int64_t row) {
    if constexpr (std::is_same_v<T, Bool>) {
      return {uint8_t(kind_ == Kind::kEqual ? constant_.value : random_.one_in(3))};
    } else if constexpr (!kIsFloating<T>) {
      using Limits = std::numeric_limits<T>;
      switch (kind_) {
        case Kind::kNormal:
        case Kind::kSmallIntegers:
          return T(random_.between(Limits::min() < 0 ? -9 : 0, 100));
        case Kind::kHuge:
          return random_.one_in(2) ? Limits::max() : Limits::min();
        case Kind::kTiny:
          return Limits::min();
        case Kind::kZeros:
          return T(random_.one_in(30));
        case Kind::kEqual:
          return constant_;
        case Kind::kOutliers:
          return random_.one_in(300) ? any_integer() : T(random_.below(50));
        case Kind::kDrifting:
          return row / 300 % 2 ? any_integer() : T(random_.below(100));
        case Kind::kWindowEdges:  // near 2^31 and 2^32
          return T((uint64_t(1) << random_.between(30, 33)) + uint64_t(random_.between(-2, 2)));
        default:
          return any_integer();
      }
    }
    return constant_;
  }

  Random& random_;
  Kind kind_;
  T constant_;
};

// Weights of rows: integers, of any magnitude, of many magnitudes, or with zeros.
inline std::vector<double> random_weights(Random& random, int64_t rows) {
  const int64_t kind = random.below(6);
  std::vector<double> weights;
  for (int64_t row = 0; row < rows; ++row) {
    double any = double(random.bits() >> 11) * 0x1p-53, weight = any;
    if (kind == 1) weight = double(random.below(4));
    if (kind == 2) weight = random.one_in(3) ? 0 : any;
    if (kind == 3) weight = std::ldexp(any, int(random.between(-60, 60)));
    if (kind == 4) weight = std::ldexp(any, int(random.between(-1070, 900)));
    if (kind == 5) weight = row / 300 % 2 ? 0 : std::ldexp(any, 190 + int(random.below(20)));
    weights.push_back(weight);
  }
  return weights;
}

inline void fill(const TestArray& array, Random& random, Kind kind) {
  with_type(array.array().dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    Values<T> values(random, kind);
    for_each_element(array.layout(), [&](int64_t row, int64_t column, int64_t offset) {
      array.data<T>()[offset] = values.draw(row, column);
    });
  });
}

}  // namespace evenly::testing
