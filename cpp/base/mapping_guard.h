// Protects reads of memory-mapped files that may be truncated while they are read.
//
// The system sends SIGBUS to a thread that touches a page of a mapping that its file no longer has,
// or that its disk cannot deliver; by default this terminates the process. The handler installed
// here replaces the rest of the mapping by zeros, so that the thread can continue, and records the
// failure. Data that was read must not be used before mapping_failed() has returned false.
#pragma once

#include <cstddef>

namespace evenly {

// Guards the pages starting at `address` until unguard_mapping() is called. Returns a handle for
// the calls below, or -1 if the mapping cannot be guarded (on Windows, or if 4096 mappings are
// guarded already).
int guard_mapping(const void* address, std::size_t bytes) noexcept;

// Must be called before the pages are unmapped.
void unguard_mapping(int number) noexcept;

// Returns whether a page was missing when it was read.
bool mapping_failed(int number) noexcept;

}  // namespace evenly
