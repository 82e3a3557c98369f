#include "base/caching_allocator.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <new>

namespace evenly {
namespace {

constexpr std::size_t kPage = std::size_t(2) << 20;
constexpr std::size_t kMaxBlocks = 1024;

#ifdef _WIN32

void unmap(CachingAllocator::Block block) noexcept { VirtualFree(block.memory, 0, MEM_RELEASE); }

// Returns null if the system has no memory.
void* map(std::size_t bytes) {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

#else

void unmap(CachingAllocator::Block block) noexcept { munmap(block.memory, block.bytes); }

// Returns null if the system has no memory.
void* map(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses
#endif
  return memory;
}

#endif

// Whether a block is large enough, but not much larger than requested: the last batch of an epoch
// may be slightly smaller.
bool serves(std::size_t block, std::size_t bytes) {
  return block >= bytes && block - bytes <= bytes / 8 + kPage;
}

}  // namespace

CachingAllocator::CachingAllocator(std::size_t max_kept) : max_kept_(max_kept) {
  blocks_.reserve(kMaxBlocks);
}

CachingAllocator& CachingAllocator::shared() {
  // Never destroyed, because tensors may outlive static objects.
  static auto* the_allocator = [] {
    const char* wanted = std::getenv("EVENLY_CACHE_MB");
    long long megabytes = wanted ? std::atoll(wanted) : 256;
    return new CachingAllocator(std::size_t(megabytes > 0 ? megabytes : 0) << 20);
  }();
  return *the_allocator;
}

CachingAllocator::Block CachingAllocator::allocate(std::size_t bytes) {
  if (std::unique_lock lock(mutex_, std::try_to_lock); lock) {
    auto best = blocks_.rend();
    for (auto i = blocks_.rbegin(); i != blocks_.rend(); ++i) {
      if (serves(i->bytes, bytes) && (best == blocks_.rend() || i->bytes < best->bytes)) best = i;
    }
    if (best != blocks_.rend()) {
      Block block = *best;
      blocks_.erase(std::next(best).base());
      kept_ -= block.bytes;
      return block;
    }
  }
  if (bytes > SIZE_MAX - kPage) throw std::bad_alloc();
  const std::size_t whole = (bytes + kPage - 1) / kPage * kPage;
  void* memory = map(whole);
  if (!memory && empty() > 0) memory = map(whole);
  if (!memory) throw std::bad_alloc();
  return {memory, whole};
}

void CachingAllocator::free(Block block) noexcept {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || block.bytes > max_kept_) return unmap(block);
  while (kept_ + block.bytes > max_kept_ || blocks_.size() == blocks_.capacity()) {
    unmap(blocks_.front());
    kept_ -= blocks_.front().bytes;
    blocks_.erase(blocks_.begin());
  }
  blocks_.push_back(block);
  kept_ += block.bytes;
}

std::size_t CachingAllocator::empty() noexcept {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return 0;
  for (Block block : blocks_) unmap(block);
  blocks_.clear();
  std::size_t given = kept_;
  kept_ = 0;
  return given;
}

}  // namespace evenly
