// Checks whether any data can have a column's statistics. Used when statistics files are read.
#pragma once

#include "exact/moments.h"

namespace evenly {

// Returns false for statistics that no values between min and max can have, whatever their positive
// weights, and for numbers beyond the range of a statistics file (docs/format.md).
//
// Such columns come from damaged bytes, or from bytes that another program has written.
bool is_possible(const Column& column);

}  // namespace evenly
