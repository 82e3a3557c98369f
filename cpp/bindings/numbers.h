// Converts exact numbers into Python integers and back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>

#include <utility>

#include "exact/exact_sum.h"
#include "exact/moments.h"

namespace evenly {

using ScaledInt = std::pair<nanobind::int_, int>;  // mantissa * 2^exponent

ScaledInt to_scaled_int(const ExactSum& value);
ExactSum to_exact_sum(const ScaledInt& number);

// A float, or an int if it is an integer that a double cannot hold.
nanobind::object to_object(const ExtremeValue& value);
ExtremeValue extreme_value_of_object(nanobind::handle object);

}  // namespace evenly
