// How infinities are treated.
#pragma once

namespace evenly {

// `missing`: count infinities as missing. `seen` is set when an infinity is encountered.
struct InfinityPolicy {
  bool missing = false;
  bool seen = false;
};

}  // namespace evenly
