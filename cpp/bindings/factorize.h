// What Python sees of the numbering of keys.
#pragma once

#include <nanobind/nanobind.h>

namespace evenly {

void bind_factorize(nanobind::module_& m);

}  // namespace evenly
