// Sizes that have to do with the processor's caches.
#pragma once

#include <cstdint>

namespace evenly {

inline constexpr int64_t kCacheLineBytes = 64;
// Outputs of this size and more, which no cache would keep, are written past the caches.
inline constexpr int64_t kStreamBytes = 8 << 20;

}  // namespace evenly
