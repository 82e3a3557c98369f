// The least that a test needs: named tests, checks that go on after a failure, a seed.
//
// Our own, and not doctest's or Catch2's, because `make sanitize` works from a bare clone with
// a compiler alone, and no package index that pip reaches brings either of them.
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
  if (++failures > 20) return;  // the first ones tell the story
  std::fprintf(stderr, "%s:%d: not true: %s%s%s\n", file, line, condition,
               detail.empty() ? "" : ", where ", detail.c_str());
}

// What random tests begin with; printed, and set by EVENLY_TEST_SEED to repeat a run.
uint64_t seed();

// Less work under a sanitizer or an emulator: EVENLY_TEST_PORTION in percent, else all.
int64_t portion(int64_t count);

}  // namespace evenly::testing

// TEST(says_what_is_true) { ... }
#define TEST(name)                                                                          \
  static void name();                                                                       \
  [[maybe_unused]] static const bool name##_added = evenly::testing::add_test(#name, name); \
  static void name()

// CHECK(condition) or CHECK(condition, std::string): the text is made only on failure.
#define CHECK(condition, ...)                                                          \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      evenly::testing::fail(__FILE__, __LINE__, #condition, std::string(__VA_ARGS__)); \
    }                                                                                  \
  } while (false)
