// The parts of the Python module `evenly._core`.
#pragma once

#include <nanobind/nanobind.h>

namespace evenly {

void bind_state(nanobind::module_& m);
void bind_batch_norm(nanobind::module_& m);
void bind_columns(nanobind::module_& m);
void bind_float_columns(nanobind::module_& m);
void bind_factorize(nanobind::module_& m);
void bind_parquet_pages(nanobind::module_& m);

}  // namespace evenly
