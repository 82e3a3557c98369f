// A forked child computes on its own thread, whatever the parent's threads were doing.
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "base/thread_pool.h"
#include "sum/accumulate.h"
#include "tests/check.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

std::vector<Column> accumulated(const Array& array) {
  AccumulateOptions options;
  options.threads = 4;
  bool infinite = true;
  return accumulate(array, options, infinite);
}

// The exit status of a child that runs `body`: 0 if it returns true.
template <class F>
int status_of_child(F&& body) {
  pid_t child = fork();
  if (child == 0) {
    alarm(60);  // instead of waiting for a thread that does not exist
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST(forked_child_computes_the_same_sums) {
  Random random(seed());
  TestArray x(DType::kFloat32, contiguous({20000, 40}, 1), Edge::kEnd);
  fill(x, random, Kind::kOutliers);
  std::vector<Column> expected = accumulated(x.array());
  CHECK(runtime_name().find("forked") == std::string::npos);
  for (int i = 0; i < 5; ++i) {
    int status = status_of_child([&] {
      if (runtime_name().find("forked") == std::string::npos) return false;
      if (difference(accumulated(x.array()), expected) >= 0) return false;
      return status_of_child([&] { return difference(accumulated(x.array()), expected) < 0; }) == 0;
    });
    CHECK(status == 0, std::to_string(status));
    CHECK(difference(accumulated(x.array()), expected) < 0);
  }
}

// Not under AddressSanitizer: GCC 12's allocator does not release its locks at a fork.
#if !defined(__SANITIZE_ADDRESS__)
TEST(fork_during_computation_leaves_a_working_child) {
  Random random(seed());
  TestArray x(DType::kFloat32, contiguous({20000, 40}, 1), Edge::kEnd);
  fill(x, random, Kind::kNormal);
  std::vector<Column> expected = accumulated(x.array());
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) accumulated(x.array());
  });
  for (int i = 0; i < 20; ++i) {
    int status = status_of_child([&] { return difference(accumulated(x.array()), expected) < 0; });
    CHECK(status == 0, std::to_string(status));
  }
  stop = true;
  busy.join();
}
#endif
