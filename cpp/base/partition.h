// How work is split into tasks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/int128.h"

namespace evenly {

constexpr int64_t kMinBytesPerThread =
    128 << 10;  // bytes; less work is done before another thread wakes up

// Splits `count` items into `pieces` nearly equal parts. Part i starts at the split point of i and
// ends at that of i + 1.
inline int64_t split_point(int64_t count, int64_t pieces, int64_t index) {
  return int64_t(int128(count) * index / pieces);
}

inline int useful_threads(int64_t bytes, int threads) {
  return int(std::clamp<int64_t>(bytes / kMinBytesPerThread, 1, threads));
}

// Enough tasks that no thread waits long for the last one.
inline int64_t task_count(int64_t strips, int threads) {
  return threads == 1 ? 1 : std::max<int64_t>(1, (4 * threads + strips - 1) / strips);
}

// The part of `outer` times `rows` that belongs to one task: some of the outer items with all their
// rows if there are enough of them, otherwise some rows of every outer item.
struct TaskRange {
  int64_t outer0, outer1, row0, row1;
};
inline TaskRange task_range(int64_t outer, int64_t rows, int64_t parts, int64_t part) {
  if (outer >= parts)
    return {split_point(outer, parts, part), split_point(outer, parts, part + 1), 0, rows};
  return {0, outer, split_point(rows, parts, part), split_point(rows, parts, part + 1)};
}

}  // namespace evenly
