#include <cstring>

#include "distribution/window_indices-inl.h"
#include "kernels/kernel_table.h"

namespace evenly {

#if defined(EVENLY_X86)
extern const WindowIndices kWindowIndicesX86V3;
#endif

WindowIndices window_indices() {
#if defined(EVENLY_X86)
  const char* name = chosen_kernel_name();
  if (std::strcmp(name, "x86-64-v3") == 0 || std::strcmp(name, "x86-64-v4") == 0) {
    return kWindowIndicesX86V3;
  }
#endif
  return find_all_indices;
}

}  // namespace evenly
