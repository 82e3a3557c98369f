// Memory for large outputs, kept when it is freed for the next output of about its size.
//
// New memory comes from the system in pages, which it fills with zeros when they are first
// written: for a batch of 16 MB that takes longer than normalising it. A training step asks for
// the sizes that the step before has freed.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace evenly {

class CachingAllocator {
 public:
  // The process's own, which keeps as many megabytes as EVENLY_CACHE_MB says, or 256.
  static CachingAllocator& shared();

  explicit CachingAllocator(std::size_t max_kept);
  ~CachingAllocator() { empty(); }
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  struct Block {
    void* memory;
    std::size_t bytes;  // as many as were asked for, or more
  };

  // At the begin of a page. Throws std::bad_alloc when there is no memory even after all that
  // was kept has been given back.
  Block allocate(std::size_t bytes);
  void free(Block block) noexcept;
  // Gives what is kept back to the system; returns how many bytes those were.
  std::size_t empty() noexcept;
  std::size_t max_kept() const { return max_kept_; }

 private:
  const std::size_t max_kept_;
  // Never waited for: a forked child may have it held by a thread that is not there, and then
  // works without what is kept.
  std::mutex mutex_;
  std::vector<Block> blocks_;  // the one freed last is the last: the caches may still have it
  std::size_t kept_ = 0;
};

}  // namespace evenly
