// The kernels for x86-64-v4: AVX-512.
#include "kernels/kernel_table-inl.h"

namespace evenly {
extern const Kernels kKernelsX86V4 = make_kernels("x86-64-v4");
}  // namespace evenly
