// The Python module: names, types and docstrings. No arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "base/fp_environment.h"
#include "base/mapping_guard.h"
#include "base/thread_pool.h"
#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "kernels/kernel_table.h"
#include "scale/scale.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using Constants = Vector<const double>;
using Output = nb::ndarray<nb::device::cpu>;

// The context manager that Python sees as ExactMode.
class FloatingPointMode {
 public:
  void enter() { mode_.emplace(); }
  void exit(const nb::args&) { mode_.reset(); }

 private:
  std::optional<ScopedFpEnvironment> mode_;
};

void scale_array(const AnyArray& x, const Output& out, int feature_axis, const Constants& high,
                 const Constants& low, const Constants& factor, bool inverse, bool nan_to_zero,
                 int threads, const std::optional<std::string>& x_dtype,
                 const std::optional<std::string>& out_dtype) {
  Array from = to_array(x, feature_axis, x_dtype);
  Array to = to_array(AnyArray(out), feature_axis, out_dtype);
  if (from.shape != to.shape) throw nb::value_error("x and out must have the same shape");
  if (to.dtype < DType::kFloat16) throw nb::type_error("out must be of a floating-point type");
  auto columns = size_t(from.columns());
  if (high.shape(0) != columns || low.shape(0) != columns || factor.shape(0) != columns) {
    throw nb::value_error("hi, lo and factor must have one value for each column");
  }
  nb::gil_scoped_release release;
  scale(
      from, to,
      {high.data(), low.data(), factor.data(), inverse, nan_to_zero, thread_count(threads, from)});
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const char* const* name = kernel_names(); *name; ++name) names.emplace_back(*name);
  return names;
}

void check_forced_kernel() {
  const char* wanted = std::getenv("EVENLY_KERNEL");
  if (!wanted || std::string(wanted) == chosen_kernel_name()) return;
  std::string text = "EVENLY_KERNEL must name a kernel that this processor can run:";
  for (const std::string& name : available_kernels()) text += " " + name;
  text += "; received " + std::string(wanted);
  throw std::runtime_error(text);
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "Exact sums, normalization kernels and factorization, implemented in C++.";
  check_forced_kernel();
  // At exit, Python may not collect objects that are still referenced elsewhere; these are not
  // leaks.
  nb::set_leak_warnings(false);

  bind_columns(m);
  bind_state(m);

  nb::class_<FloatingPointMode>(
      m, "ExactMode",
      "A context manager that sets rounding to nearest and keeps subnormal numbers in this thread, "
      "in case of torch.set_flush_denormal(True).")
      .def(nb::init<>())
      .def("__enter__", &FloatingPointMode::enter)
      .def("__exit__", &FloatingPointMode::exit,
           nb::sig("def __exit__(self, *args: object) -> None"));

  m.def("scale", &scale_array, "x"_a, "out"_a, "feature_axis"_a, "hi"_a, "lo"_a, "factor"_a,
        "inverse"_a = false, "nan_to_zero"_a = false, "threads"_a = 0, "x_dtype"_a = nb::none(),
        "out_dtype"_a = nb::none(),
        "Writes ((x - hi) - lo) * factor to out, or x * factor + lo + hi if inverse.");
  bind_float_columns(m);
  bind_batch_norm(m);
  bind_factorize(m);
  m.def(
      "guard_mapping",
      [](const nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>& pages) {
        return guard_mapping(pages.data(), pages.size());
      },
      "pages"_a,
      "Guards a memory-mapped file: where the file has become shorter, zeros are read instead of a "
      "SIGBUS. Returns a number for the functions below, or -1 if guards are not supported.");
  m.def("unguard_mapping", &unguard_mapping, "number"_a,
        "Removes the guard; called before the file is unmapped.");
  m.def("mapping_failed", &mapping_failed, "number"_a,
        "Returns whether a page that was read did not exist.");
  bind_parquet_pages(m);
  m.def("num_threads", &default_threads, "Returns the default number of threads.");
  m.def("runtime", &runtime_name, "Returns the name of the thread runtime.");
  m.def(
      "kernel", [] { return std::string(chosen_kernel_name()); },
      "Returns the name of the kernels in use.");
  m.def("kernels", &available_kernels,
        "Returns the values of EVENLY_KERNEL that this CPU supports.");
}

}  // namespace evenly
