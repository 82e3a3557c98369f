// Sums columns in tasks of some rows of some columns.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/fp_environment.h"
#include "base/partition.h"
#include "base/thread_pool.h"
#include "exact/moments.h"

namespace evenly {

// Calls sum(first row, last row, first column, columns, their sums) for tasks of `together` columns
// and, if there are that many, at least `min_rows` rows. sum() returns whether it encountered an
// infinity that may not be treated as missing.
template <class Sum>
std::vector<Column> sum_in_tasks(int64_t rows, int64_t columns, int64_t together, int64_t min_rows,
                                 int threads, bool& infinite, Sum&& sum) {
  infinite = false;
  if (columns == 0) return {};
  const int64_t strips = (columns + together - 1) / together;
  const int64_t parts = std::clamp<int64_t>(rows / min_rows, 1, task_count(strips, threads));
  std::vector<Column> sums(std::size_t(columns * parts));  // all columns of a part together
  std::atomic<bool> stop{false};
  parallel(strips * parts, threads, [&](int64_t task) {
    ScopedFpEnvironment fp_environment;
    const int64_t part = task % parts, first = task / parts * together;
    if (sum(split_point(rows, parts, part), split_point(rows, parts, part + 1), first,
            int(std::min(together, columns - first)), sums.data() + part * columns + first))
      stop = true;
  });
  for (std::size_t i = std::size_t(columns); i < sums.size(); ++i)
    sums[i % std::size_t(columns)].add(sums[i]);
  sums.resize(std::size_t(columns));
  infinite = stop;
  return sums;
}

}  // namespace evenly
