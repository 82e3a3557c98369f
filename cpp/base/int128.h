// The compiler's integer of 128 bits.
#pragma once

namespace evenly {

using int128 = __int128;

}  // namespace evenly
