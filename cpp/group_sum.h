// Columns whose rows belong to groups, into the moments of each group.
#pragma once

#include <cstdint>
#include <vector>

#include "accumulate.h"

namespace evenly {

// Of each row, the number of its group: from 0 to count - 1.
struct RowGroups {
  const int64_t* codes;
  int64_t rows;
  int64_t count;
};

// Returns the moments of each group's rows, the columns of a group together. `infinite` is set as
// by `accumulate`.
std::vector<Column> accumulate_groups(const std::vector<ArrowColumn>& columns,
                                      const RowGroups& groups, const AccumulateOptions& options,
                                      bool& infinite);

}  // namespace evenly
