// Selects the kernels once, at their first use.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/kernel_table.h"

namespace evenly {

extern const Kernels kKernelsBaseline;
#if EVENLY_X86
extern const Kernels kKernelsX86V3;
extern const Kernels kKernelsX86V4;
#endif

namespace {

// Best first.
std::vector<const Kernels*> available() {
  std::vector<const Kernels*> kernels;
#if EVENLY_X86
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  if (v4) kernels.push_back(&kKernelsX86V4);
  if (v3) kernels.push_back(&kKernelsX86V3);
#endif
  kernels.push_back(&kKernelsBaseline);
  return kernels;
}

struct KernelSelection {
  const Kernels* kernels;
  const char* name;
  std::vector<const char*> names;

  KernelSelection() {
    std::vector<const Kernels*> all = available();
    for (const Kernels* each : all) names.push_back(each->name);
    names.push_back("plain");
    names.push_back(nullptr);
    kernels = all.front();
    name = kernels->name;
    const char* wanted = std::getenv("EVENLY_KERNEL");
    if (!wanted) return;
    if (std::strcmp(wanted, "plain") == 0) {
      kernels = nullptr;
      name = "plain";
    }
    for (const Kernels* each : all) {
      if (std::strcmp(wanted, each->name) == 0) {
        kernels = each;
        name = each->name;
      }
    }
  }
};

const KernelSelection& selection() {
  static const KernelSelection the_selection;
  return the_selection;
}

}  // namespace

// The scalar path has no batch normalization: "plain" selects the baseline kernels for it.
const Kernels& batch_selection() {
  const Kernels* chosen = selection().kernels;
  return chosen ? *chosen : kKernelsBaseline;
}

template <>
const BatchKernels<Float16>& batch_kernels() {
  return batch_selection().batch_float16;
}
template <>
const BatchKernels<BFloat16>& batch_kernels() {
  return batch_selection().batch_bfloat16;
}
template <>
const BatchKernels<float>& batch_kernels() {
  return batch_selection().batch_float32;
}
template <>
const BatchKernels<double>& batch_kernels() {
  return batch_selection().batch_float64;
}

const ChannelKernels& channel_kernels() { return batch_selection().channel; }

const Kernels* chosen_kernels() { return selection().kernels; }
const char* chosen_kernel_name() { return selection().name; }
const char* const* kernel_names() { return selection().names.data(); }

}  // namespace evenly
