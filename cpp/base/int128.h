// The compiler's 128-bit integer type.
#pragma once

namespace evenly {

using int128 = __int128;

}  // namespace evenly
