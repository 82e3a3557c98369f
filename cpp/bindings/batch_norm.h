#pragma once

#include <nanobind/nanobind.h>

namespace evenly {
void bind_batch_norm(nanobind::module_& m);
}
