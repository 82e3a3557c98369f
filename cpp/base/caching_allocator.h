// Memory for large outputs. Freed blocks are kept and reused for outputs of about the same size.
//
// The operating system hands out new memory in pages, which it fills with zeros at the first write:
// for a batch of 16 MB this takes longer than normalizing it. A training step requests the same
// sizes that the previous step has freed.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace evenly {

class CachingAllocator {
 public:
  // The allocator of this process. It keeps at most EVENLY_CACHE_MB megabytes (default: 256).
  static CachingAllocator& shared();

  explicit CachingAllocator(std::size_t max_kept);
  ~CachingAllocator() { empty(); }
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  struct Block {
    void* memory;
    std::size_t bytes;  // at least the number requested
  };

  // Returns memory that starts at a page boundary. Throws std::bad_alloc if no memory is available
  // even after all cached blocks have been released.
  Block allocate(std::size_t bytes);
  void free(Block block) noexcept;
  // Releases all cached blocks to the system; returns their total size in bytes.
  std::size_t empty() noexcept;
  std::size_t max_kept() const { return max_kept_; }

 private:
  const std::size_t max_kept_;
  // Locked with try_lock only: after a fork, a thread that does not exist in the child may hold it.
  // The allocator then works without its cache.
  std::mutex mutex_;
  std::vector<Block>
      blocks_;  // in the order in which they were freed; the last one may still be in the caches
  std::size_t kept_ = 0;
};

}  // namespace evenly
