#include "bindings/numbers.h"

#include <algorithm>
#include <string>

namespace nb = nanobind;

namespace evenly {
namespace {

// Converts limbs into a Python int. Text is the only public API that accepts any length.
nb::int_ to_python_int(const Dyadic& value) {
  if (value.limbs.empty()) return nb::int_(0);
  if (value.limbs.size() == 1 && value.limbs[0] < uint64_t(1) << 62) {
    int64_t small = int64_t(value.limbs[0]);
    return nb::int_(value.negative ? -small : small);
  }
  static const char digits[] = "0123456789abcdef";
  std::string text(value.negative ? "-" : "");
  for (size_t i = value.limbs.size(); i-- > 0;) {
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[value.limbs[i] >> shift & 15];
  }
  PyObject* integer = PyLong_FromString(text.c_str(), nullptr, 16);
  if (!integer) throw nb::python_error();
  return nb::steal<nb::int_>(integer);
}

}  // namespace

ScaledInt to_scaled_int(const ExactSum& value) {
  Dyadic dyadic = value.dyadic();
  return {to_python_int(dyadic), dyadic.exponent};
}

ExactSum to_exact_sum(const ScaledInt& number) {
  if (number.second < -4096 || number.second > 4096)
    throw nb::value_error("an exponent must lie within ±4096");
  nb::str text = nb::steal<nb::str>(PyNumber_ToBase(number.first.ptr(), 16));
  std::string hex = text.c_str();
  Dyadic value;
  value.negative = hex[0] == '-';
  hex = hex.substr(value.negative ? 3 : 2);
  if (hex.size() > 4096) throw nb::value_error("a mantissa must be below 2^16384");
  for (size_t end = hex.size(); end > 0; end -= std::min<size_t>(end, 16)) {
    size_t begin = end > 16 ? end - 16 : 0;
    value.limbs.push_back(std::stoull(hex.substr(begin, end - begin), nullptr, 16));
  }
  value.exponent = number.second;
  ExactSum exact;
  exact.assign(value);
  return exact;
}

nb::object to_object(const ExtremeValue& value) {
  if (value.rest == 0) return nb::float_(value.nearest);
  nb::int_ nearest = nb::steal<nb::int_>(PyLong_FromDouble(value.nearest));
  return nearest + nb::int_(int(value.rest));
}

ExtremeValue extreme_value_of_object(nb::handle object) {
  if (!PyLong_Check(object.ptr())) return extreme_value(nb::cast<double>(object));
  int overflow = 0;
  long long small = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (!overflow) return extreme_value_of_integer(int64_t(small));
  unsigned long long large = PyLong_AsUnsignedLongLong(object.ptr());
  if (PyErr_Occurred()) throw nb::python_error();
  return extreme_value_of_integer(uint64_t(large));
}

}  // namespace evenly
