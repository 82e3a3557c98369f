// Files that are mapped into memory, and may become shorter while they are read.
//
// The system sends SIGBUS to a thread that touches a page of a mapping that its file no longer has,
// or that its disk cannot deliver; by default that ends the process. Here the handler puts zeros in
// place of the rest of the mapping, so that the thread can go on, and keeps that it did. What was
// read must not be used before failed() has been asked.
#pragma once

#include <cstddef>

namespace evenly {

// Guards the pages from `address` on until unguard(), and returns a number for these calls;
// -1 where nothing can be guarded (not on Windows, not more than 4096 mappings at once).
int guard_mapping(const void* address, std::size_t bytes) noexcept;

// Before the pages are unmapped.
void unguard_mapping(int number) noexcept;

// Whether a page was not there when it was read.
bool mapping_failed(int number) noexcept;

}  // namespace evenly
