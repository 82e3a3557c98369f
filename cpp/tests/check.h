// A minimal test framework: named tests, checks that continue after a failure, and a seed.
//
// doctest and Catch2 are not used, because `make sanitize` must work from a bare clone with only a
// compiler, and pip cannot install either of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace evenly::testing {

struct Test {
  const char* name;
  void (*body)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline bool add_test(const char* name, void (*body)()) {
  tests().push_back({name, body});
  return true;
}

inline std::atomic<int> failures{0};

inline void fail(const char* file, int line, const char* condition, const std::string& detail) {
  if (++failures > 20) return;  // the first ones are enough
  std::fprintf(stderr, "%s:%d: failed: %s%s%s\n", file, line, condition,
               detail.empty() ? "" : ", where ", detail.c_str());
}

// The seed of random tests. It is printed, and EVENLY_TEST_SEED sets it to repeat a run.
uint64_t seed();

// Scales the amount of work by EVENLY_TEST_PORTION percent (default: 100), for sanitizers and
// emulators.
int64_t portion(int64_t count);

}  // namespace evenly::testing

// TEST(describes_the_behavior) { ... }
#define TEST(name)                                                                          \
  static void name();                                                                       \
  [[maybe_unused]] static const bool name##_added = evenly::testing::add_test(#name, name); \
  static void name()

// CHECK(condition) or CHECK(condition, std::string); the string is only computed on failure.
#define CHECK(condition, ...)                                                          \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      evenly::testing::fail(__FILE__, __LINE__, #condition, std::string(__VA_ARGS__)); \
    }                                                                                  \
  } while (false)
