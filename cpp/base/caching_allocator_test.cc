// Memory that is kept is given out again, never to two at once, and never more than the limit.
#include "base/caching_allocator.h"

#include <sys/wait.h>
#include <unistd.h>

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

TEST(freed_memory_serves_the_next_of_its_size) {
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

TEST(the_nearest_size_is_taken_and_of_those_the_last_freed) {
  CachingAllocator allocator(64 * kMegabyte);
  Block a = allocator.allocate(10 * kMegabyte), b = allocator.allocate(10 * kMegabyte);
  Block larger = allocator.allocate(11 * kMegabyte);
  for (Block block : {a, b, larger}) allocator.free(block);
  CHECK(allocator.allocate(10 * kMegabyte).memory == b.memory);
  CHECK(allocator.allocate(10 * kMegabyte).memory == a.memory);
  CHECK(allocator.allocate(10 * kMegabyte).memory == larger.memory);
  for (Block block : {a, b, larger}) allocator.free(block);
}

TEST(a_far_larger_block_is_not_spent_on_a_small_request) {
  CachingAllocator allocator(64 * kMegabyte);
  Block large = allocator.allocate(32 * kMegabyte);
  allocator.free(large);
  Block small = allocator.allocate(kMegabyte);
  CHECK(small.memory != large.memory);
  allocator.free(small);
}

TEST(the_oldest_goes_when_there_is_too_much) {
  CachingAllocator allocator(8 * kMegabyte);
  Block old = allocator.allocate(4 * kMegabyte), next = allocator.allocate(4 * kMegabyte);
  Block last = allocator.allocate(2 * kMegabyte), large = allocator.allocate(9 * kMegabyte);
  for (Block block : {old, next, last}) allocator.free(block);
  CHECK(allocator.empty() == 6 * kMegabyte);
  allocator.free(large);  // more than may ever be kept
  CHECK(allocator.empty() == 0);
}

TEST(nothing_is_kept_when_nothing_may_be) {
  CachingAllocator allocator(0);
  allocator.free(allocator.allocate(kMegabyte));
  CHECK(allocator.empty() == 0);
}

TEST(many_blocks_are_kept_up_to_a_number) {
  CachingAllocator allocator(std::size_t(1) << 40);
  std::vector<Block> blocks;
  for (int i = 0; i < 1500; ++i) blocks.push_back(allocator.allocate(1));
  for (Block block : blocks) allocator.free(block);
  CHECK(allocator.empty() == 1024 * blocks[0].bytes);
}

TEST(no_memory_is_said_as_such) {
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

// Each thread writes its own mark into what it is given, and finds it there when it gives it back.
TEST(no_block_is_given_to_two_threads) {
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

TEST(a_forked_child_allocates_on_its_own) {
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
