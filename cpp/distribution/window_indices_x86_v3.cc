// For AVX2, which takes two thirds of the time of the baseline; the names are those of kernels.
#include "distribution/window_indices-inl.h"

namespace evenly {

extern const ValueIndices kValueIndicesX86V3 = {find_places, find_slots};

}  // namespace evenly
