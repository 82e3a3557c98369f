// Runs the tests of a program; the first argument selects the tests whose names contain it.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>

#include "kernels/kernel_table.h"
#include "tests/check.h"

namespace evenly::testing {

uint64_t seed() {
  static const uint64_t value = [] {
    const char* wanted = std::getenv("EVENLY_TEST_SEED");
    return wanted ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  }();
  return value;
}

int64_t portion(int64_t count) {
  static const int64_t percent = [] {
    const char* wanted = std::getenv("EVENLY_TEST_PORTION");
    return wanted ? std::atoll(wanted) : 100;
  }();
  return std::max<int64_t>(1, count * percent / 100);
}

}  // namespace evenly::testing

int main(int argc, char** argv) {
  using namespace evenly::testing;
  const char* kernel = std::getenv("EVENLY_KERNEL");
  if (kernel && std::strcmp(kernel, evenly::chosen_kernel_name()) != 0) {
    std::printf("skipped: this processor cannot run the kernel %s\n", kernel);
    return 77;  // SKIP_RETURN_CODE in CMakeLists.txt
  }
  std::printf("kernel %s, EVENLY_TEST_SEED=%llu\n", evenly::chosen_kernel_name(),
              (unsigned long long)seed());
  std::fflush(stdout);  // a test may terminate the program
  for (const Test& test : tests()) {
    if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
    int before = failures;
    auto start = std::chrono::steady_clock::now();
    test.body();
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%-6s %6.2f s  %s\n", failures == before ? "ok" : "FAILED", seconds.count(),
                test.name);
    std::fflush(stdout);
  }
  return failures == 0 ? 0 : 1;
}
