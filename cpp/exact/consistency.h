// Whether any data can have the numbers of a column: what a reader of statistics files checks.
#pragma once

#include "exact/moments.h"

namespace evenly {

// False for numbers that no values between min and max have, whatever their positive weights, and
// for numbers beyond what a statistics file can hold (docs/format.md).
//
// Such columns come from bytes that were packed by somebody else, or that are damaged.
bool is_possible(const Column& column);

}  // namespace evenly
