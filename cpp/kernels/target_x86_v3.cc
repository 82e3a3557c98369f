// The kernels for x86-64-v3: AVX2 and FMA.
#include "kernels/kernel_table-inl.h"

namespace evenly {
extern const Kernels kKernelsX86V3 = make_kernels("x86-64-v3");
}  // namespace evenly
