// Sizes related to the processor's caches.
#pragma once

#include <cstdint>

namespace evenly {

inline constexpr int64_t kCacheLineBytes = 64;
// Outputs of at least this size do not fit into any cache and are written past the caches.
inline constexpr int64_t kStreamBytes = 8 << 20;

}  // namespace evenly
