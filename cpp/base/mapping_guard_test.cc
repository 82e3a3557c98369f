// A mapped file that is truncated while it is read yields zeros, and the failure is recorded.
#include "base/mapping_guard.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/check.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

const std::size_t kPage = std::size_t(sysconf(_SC_PAGESIZE));

// An unnamed mapped file full of ones.
struct MappedOnes {
  int file;
  std::size_t bytes;
  const unsigned char* data;

  explicit MappedOnes(std::size_t pages) : bytes(pages * kPage) {
    char name[] = "/tmp/evenly-mapping-XXXXXX";
    file = mkstemp(name);
    unlink(name);
    std::vector<char> ones(bytes, 1);
    CHECK(write(file, ones.data(), bytes) == ssize_t(bytes));
    data = static_cast<unsigned char*>(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0));
    CHECK(data != MAP_FAILED);
  }
  ~MappedOnes() {
    munmap(const_cast<unsigned char*>(data), bytes);
    close(file);
  }
  void truncate(std::size_t pages) { CHECK(ftruncate(file, off_t(pages * kPage)) == 0); }
  int sum(std::size_t first, std::size_t stop) const {
    int total = 0;
    for (std::size_t page = first; page < stop; ++page) {
      total += static_cast<const volatile unsigned char*>(data)[page * kPage + 5];
    }
    return total;
  }
};

}  // namespace

TEST(missing_pages_read_as_zeros_and_the_failure_is_recorded) {
  MappedOnes ones(10);
  int number = guard_mapping(ones.data, ones.bytes);
  CHECK(number >= 0);
  CHECK(ones.sum(0, 10) == 10);
  CHECK(!mapping_failed(number));
  ones.truncate(4);
  CHECK(ones.sum(0, 4) == 4);
  CHECK(!mapping_failed(number));
  CHECK(ones.sum(4, 10) == 0);
  CHECK(mapping_failed(number));
  CHECK(ones.sum(0, 4) == 4);
  unguard_mapping(number);
}

TEST(handles_are_reused_without_their_failure) {
  int failed = -1;
  for (int round = 0; round < 3; ++round) {
    MappedOnes ones(2);
    int number = guard_mapping(ones.data, ones.bytes);
    CHECK(round == 0 || number == failed);
    CHECK(!mapping_failed(number));
    ones.truncate(0);
    CHECK(ones.sum(0, 2) == 0);
    CHECK(mapping_failed(number));
    unguard_mapping(number);
    failed = number;
  }
}

// ThreadSanitizer reports pages that are replaced while other threads read them as a race. That
// race is intended.
#if !defined(__SANITIZE_THREAD__)
TEST(several_threads_touch_missing_pages_concurrently) {
  for (int round = 0; round < 50; ++round) {
    MappedOnes ones(64);
    int number = guard_mapping(ones.data, ones.bytes);
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        while (!go) {
        }
        ones.sum(0, 64);
      });
    }
    go = true;
    ones.truncate(1);
    for (std::thread& thread : threads) thread.join();
    ones.sum(0, 64);
    CHECK(mapping_failed(number));
    unguard_mapping(number);
  }
}
#endif

// A sanitizer's own handler reports the fault and exits with its own status.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(faults_elsewhere_terminate_the_process) {
  MappedOnes guarded(1), other(2);
  int number = guard_mapping(guarded.data, guarded.bytes);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    other.truncate(0);
    _exit(other.sum(0, 2));
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, std::to_string(status));
  unguard_mapping(number);
}
#endif

namespace {
void end(int) { _exit(42); }
}  // namespace

TEST(handler_is_reinstalled_if_it_was_replaced) {
  MappedOnes first(1);
  int number = guard_mapping(first.data, first.bytes);
  struct sigaction theirs{};
  theirs.sa_handler = end;
  struct sigaction before{};
  sigaction(SIGBUS, &theirs, &before);
  {
    MappedOnes second(2);
    int other = guard_mapping(second.data, second.bytes);
    second.truncate(0);
    CHECK(second.sum(0, 2) == 0);
    CHECK(mapping_failed(other));
    unguard_mapping(other);
  }
#if !defined(__SANITIZE_THREAD__)
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    MappedOnes unguarded(2);
    unguarded.truncate(0);
    _exit(unguarded.sum(0, 2));
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42, std::to_string(status));
#endif
  unguard_mapping(number);
  sigaction(SIGBUS, &before, nullptr);
}

TEST(number_of_guarded_mappings_is_limited) {
  std::vector<int> numbers;
  static char memory[16];
  while (numbers.size() <= 5000) {
    int number = guard_mapping(memory, sizeof memory);
    if (number < 0) break;
    numbers.push_back(number);
  }
  CHECK(numbers.size() == 4096);
  for (int number : numbers) unguard_mapping(number);
  CHECK(guard_mapping(memory, 0) == -1);
}
