// Freed memory is reused, never by two owners at once, and never more than the limit is kept.
#include "base/caching_allocator.h"

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <cstring>
#include <new>
#include <set>
#include <thread>

#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

using Block = CachingAllocator::Block;
constexpr std::size_t kMegabyte = 1 << 20;

}  // namespace

TEST(freed_blocks_are_reused_for_similar_sizes) {
  CachingAllocator allocator(64 * kMegabyte);
  Block first = allocator.allocate(10 * kMegabyte);
  CHECK(first.bytes >= 10 * kMegabyte);
  std::memset(first.memory, 1, first.bytes);
  allocator.free(first);
  for (std::size_t bytes : {10 * kMegabyte, 10 * kMegabyte - 1, 9 * kMegabyte}) {
    Block again = allocator.allocate(bytes);
    CHECK(again.memory == first.memory);
    CHECK(again.bytes == first.bytes);
    allocator.free(again);
  }
}

TEST(best_fit_then_most_recently_freed_block_is_reused) {
  CachingAllocator allocator(64 * kMegabyte);
  Block a = allocator.allocate(10 * kMegabyte), b = allocator.allocate(10 * kMegabyte);
  Block larger = allocator.allocate(11 * kMegabyte);
  for (Block block : {a, b, larger}) allocator.free(block);
  CHECK(allocator.allocate(10 * kMegabyte).memory == b.memory);
  CHECK(allocator.allocate(10 * kMegabyte).memory == a.memory);
  CHECK(allocator.allocate(10 * kMegabyte).memory == larger.memory);
  for (Block block : {a, b, larger}) allocator.free(block);
}

TEST(much_larger_blocks_are_not_reused) {
  CachingAllocator allocator(64 * kMegabyte);
  Block large = allocator.allocate(32 * kMegabyte);
  allocator.free(large);
  Block small = allocator.allocate(kMegabyte);
  CHECK(small.memory != large.memory);
  allocator.free(small);
}

TEST(oldest_blocks_are_released_at_the_limit) {
  CachingAllocator allocator(8 * kMegabyte);
  Block old = allocator.allocate(4 * kMegabyte), next = allocator.allocate(4 * kMegabyte);
  Block last = allocator.allocate(2 * kMegabyte), large = allocator.allocate(9 * kMegabyte);
  for (Block block : {old, next, last}) allocator.free(block);
  CHECK(allocator.empty() == 6 * kMegabyte);
  allocator.free(large);  // more than the limit
  CHECK(allocator.empty() == 0);
}

TEST(limit_of_zero_keeps_nothing) {
  CachingAllocator allocator(0);
  allocator.free(allocator.allocate(kMegabyte));
  CHECK(allocator.empty() == 0);
}

TEST(number_of_kept_blocks_is_limited) {
  CachingAllocator allocator(std::size_t(1) << 40);
  std::vector<Block> blocks;
  for (int i = 0; i < 1500; ++i) blocks.push_back(allocator.allocate(1));
  for (Block block : blocks) allocator.free(block);
  CHECK(allocator.empty() == 1024 * blocks[0].bytes);
}

TEST(exhausted_memory_throws_bad_alloc) {
  CachingAllocator allocator(64 * kMegabyte);
  for (std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2}) {
    bool refused = false;
    try {
      allocator.allocate(bytes);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    CHECK(refused);
  }
}

// Each thread writes its own mark into its block and finds it unchanged before freeing the block.
TEST(no_block_is_allocated_twice) {
  CachingAllocator allocator(16 * kMegabyte);
  std::vector<std::thread> threads;
  for (int mark = 1; mark <= 4; ++mark) {
    threads.emplace_back([&allocator, mark] {
      Random random(seed() + uint64_t(mark));
      for (int64_t i = 0; i < portion(2000); ++i) {
        Block block = allocator.allocate((1 + random.below(6)) * kMegabyte);
        auto* bytes = static_cast<unsigned char*>(block.memory);
        bytes[0] = bytes[block.bytes - 1] = (unsigned char)(mark);
        std::this_thread::yield();
        CHECK(bytes[0] == mark && bytes[block.bytes - 1] == mark);
        allocator.free(block);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

#ifndef _WIN32
TEST(forked_child_allocates_independently) {
  CachingAllocator allocator(16 * kMegabyte);
  Block block = allocator.allocate(4 * kMegabyte);
  static_cast<char*>(block.memory)[0] = 1;
  allocator.free(block);
  pid_t child = fork();
  if (child == 0) {
    Block own = allocator.allocate(4 * kMegabyte);
    static_cast<char*>(own.memory)[0] = 2;
    allocator.free(own);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  Block again = allocator.allocate(4 * kMegabyte);
  CHECK(static_cast<char*>(again.memory)[0] == 1);
  allocator.free(again);
}
#endif
