#include <cstring>

#include "distribution/window_indices-inl.h"
#include "kernels/kernel_table.h"

namespace evenly {

#if defined(EVENLY_X86)
extern const ValueIndices kValueIndicesX86V3;
#endif

ValueIndices value_indices() {
#if defined(EVENLY_X86)
  const char* name = chosen_kernel_name();
  if (std::strcmp(name, "x86-64-v3") == 0 || std::strcmp(name, "x86-64-v4") == 0) {
    return kValueIndicesX86V3;
  }
#endif
  return {find_places, find_slots};
}

}  // namespace evenly
