// How work is cut into tasks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "exact.h"

namespace evenly {

constexpr int64_t kWorthAThread = 128 << 10;  // bytes: less is over before another thread wakes

// `count` things in `pieces` parts: part i is [cut(i), cut(i + 1)).
inline int64_t cut(int64_t count, int64_t pieces, int64_t index) {
  return int64_t(int128(count) * index / pieces);
}

inline int useful_threads(int64_t bytes, int threads) {
  return int(std::clamp<int64_t>(bytes / kWorthAThread, 1, threads));
}

// Enough parts that no thread waits long for the last one.
inline int64_t parts_of(int64_t strips, int threads) {
  return threads == 1 ? 1 : std::max<int64_t>(1, (4 * threads + strips - 1) / strips);
}

}  // namespace evenly
