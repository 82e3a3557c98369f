// For AVX2, which takes two thirds of the time of the baseline; the names are those of kernels.
#include "distribution/window_indices-inl.h"

namespace evenly {

extern const WindowIndices kWindowIndicesX86V3 = find_all_indices;

}  // namespace evenly
