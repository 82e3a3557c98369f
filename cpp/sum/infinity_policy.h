// What happens to infinities.
#pragma once

namespace evenly {

// Told when a lane meets an infinity; true means: count it as missing.
struct InfinityPolicy {
  bool missing = false;
  bool seen = false;
};

}  // namespace evenly
