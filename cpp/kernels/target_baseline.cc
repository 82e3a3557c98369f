// The kernels for every processor of the architecture (on ARM, with NEON).
#include "kernels/kernel_table-inl.h"

namespace evenly {
#if defined(__x86_64__)
extern const Kernels kKernelsBaseline = make_kernels("x86-64");
#elif defined(__aarch64__)
extern const Kernels kKernelsBaseline = make_kernels("neon");
#else
extern const Kernels kKernelsBaseline = make_kernels("baseline");
#endif
}  // namespace evenly
