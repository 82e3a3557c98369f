// The rows of each group.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sum/grouped_sum.h"

namespace evenly {

// The rows of a group: a list, or a contiguous range.
struct Rows {
  const int64_t* listed;  // null: first, first + 1, …
  int64_t first, count;

  int64_t operator[](int64_t i) const { return listed ? listed[i] : first + i; }
  Rows part(int64_t from, int64_t most) const {
    return {listed ? listed + from : nullptr, first + from, std::min(most, count - from)};
  }
};

// How many values ahead of the current one are prefetched, from the same group or the next.
constexpr int64_t kAhead = 32;

// The rows sorted by group, in their original order within each group.
struct GroupOrder {
  std::vector<int64_t> starts;  // the start of each group, and the end
  std::vector<int64_t> rows;    // empty if the rows are sorted already; padded with kAhead zeros

  explicit GroupOrder(const Slices& slices)
      : starts(slices.starts, slices.starts + slices.count + 1) {}
  explicit GroupOrder(const RowGroups& groups)
      : starts(std::size_t(groups.count) + 1), rows(std::size_t(groups.rows + kAhead)) {
    for (int64_t row = 0; row < groups.rows; ++row) ++starts[std::size_t(groups.codes[row]) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (int64_t row = 0; row < groups.rows; ++row) {
      rows[std::size_t(next[std::size_t(groups.codes[row])]++)] = row;
    }
  }
  int64_t count() const { return int64_t(starts.size()) - 1; }
  Rows rows_of(int64_t group) const {
    int64_t start = starts[std::size_t(group)], end = starts[std::size_t(group) + 1];
    return {rows.empty() ? nullptr : rows.data() + start, start, end - start};
  }
  // The first group that starts at this position or after it.
  int64_t group_at(int64_t position) const {
    return std::lower_bound(starts.begin(), starts.end() - 1, position) - starts.begin();
  }
};

}  // namespace evenly
