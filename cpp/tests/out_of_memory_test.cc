// Whichever memory allocation fails, on whichever thread: a call either throws std::bad_alloc and
// changes nothing, or completes.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include "base/thread_pool.h"
#include "exact/moments.h"
#include "sum/accumulate.h"
#include "sum/grouped_sum.h"
#include "tests/check.h"
#include "tests/reference.h"

namespace {

// Allocations until one fails; negative: none fails. All later ones fail as well, as in a process
// that has reached its memory limit.
std::atomic<int64_t> left{-1};

void* allocate(std::size_t bytes) {
  if (left.load(std::memory_order_relaxed) >= 0 && left.fetch_sub(1) <= 0) {
    left.store(0);
    throw std::bad_alloc();
  }
  void* memory = std::malloc(bytes ? bytes : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return allocate(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace evenly;
using namespace evenly::testing;

namespace {

// Runs `work` with allocation n failing, for n = 0, 1, 2, … (in increasing steps), until it
// succeeds. Returns the number of failures. `unchanged` must hold after each of them.
template <class ComputeType, class Unchanged>
int fail_everywhere(ComputeType&& work, Unchanged&& unchanged) {
  int failures = 0;
  for (int64_t n = 0;; n += 1 + n / 16) {
    left = n;
    bool failed = false;
    try {
      work();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    left = -1;
    if (!failed) return failures;
    ++failures;
    CHECK(unchanged(), std::to_string(n));
  }
}

AccumulateOptions with_threads(int threads) {
  AccumulateOptions options;
  options.threads = threads;
  return options;
}

Layout layout() { return contiguous({portion(20000), 40}, 1); }

void check_sums_of_an_array() {
  Random random(seed());
  for (Kind kind : {Kind::kNormal, Kind::kOutliers, Kind::kTwoScales}) {
    TestArray x(DType::kFloat64, layout(), Edge::kEnd);
    fill(x, random, kind);
    bool infinite = true;
    const std::vector<Column> expected = accumulate(x.array(), with_threads(1), infinite);
    for (int threads : {1, 2, 4}) {
      std::vector<Column> sums;
      int failures =
          fail_everywhere([&] { sums = accumulate(x.array(), with_threads(threads), infinite); },
                          [] { return true; });
      CHECK(failures > 0);
      CHECK(difference(sums, expected) < 0);
    }
  }
}

}  // namespace

TEST(sums_on_our_own_pool_are_all_or_nothing) {
  setenv("EVENLY_THREADS", "own", 1);
  check_sums_of_an_array();
  unsetenv("EVENLY_THREADS");
}

TEST(grouped_sums_are_all_or_nothing) {
  setenv("EVENLY_THREADS", "own", 1);
  Random random(seed());
  TestArray x(DType::kFloat64, contiguous({portion(20000)}, -1), Edge::kEnd);
  fill(x, random, Kind::kOutliers);
  const std::vector<ArrowColumn> columns(3, ArrowColumn{x.array()});
  const int64_t rows = x.array().rows();
  std::vector<int64_t> codes(static_cast<std::size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) codes[std::size_t(row)] = row % 50;
  const RowGroups groups{codes.data(), rows, 50};
  bool infinite = true;
  const std::vector<Column> expected =
      accumulate_groups(columns, groups, with_threads(1), infinite);
  std::vector<Column> sums;
  int failures =
      fail_everywhere([&] { sums = accumulate_groups(columns, groups, with_threads(4), infinite); },
                      [] { return true; });
  CHECK(failures > 0);
  CHECK(difference(sums, expected) < 0);
  unsetenv("EVENLY_THREADS");
}

namespace {

// Columns whose sum needs more memory than they do: different exponents and fractional weights.
std::vector<Column> far_apart(int64_t count, int exponent, bool weighted) {
  std::vector<Column> columns(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    Column& column = columns[std::size_t(i)];
    column.count = 1;
    column.sum.add(i + 1, exponent);
    column.squares.add(i + 1, 2 * exponent);
    column.include(extreme_value(double(exponent)));
    if (weighted && i % 3 == 0) {
      ExactSum half;
      half.add(1, -1);
      column.add_count(half);
    }
  }
  return columns;
}

bool same(const Moments& a, const Moments& b) {
  std::vector<Column> ours = a.snapshot(), theirs = b.snapshot();
  if (a.rows() != b.rows() || ours.size() != theirs.size() || a.groups() != b.groups())
    return false;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (!ours[i].equal_sums(theirs[i]) || ours[i].min != theirs[i].min ||
        ours[i].max != theirs[i].max) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST(addition_is_all_or_nothing) {
  for (bool weighted : {false, true}) {
    const Moments before(far_apart(60, 0, weighted)), more(far_apart(60, -900, weighted));
    Moments sum(before), expected(before);
    expected.add(more);
    int failures = fail_everywhere([&] { sum.add(more); }, [&] { return same(sum, before); });
    CHECK(failures > 0);
    CHECK(same(sum, expected));
    Moments updated(before);
    Moments one(before);
    one.add(far_apart(60, -900, weighted), 7);
    failures = fail_everywhere([&] { updated.add(far_apart(60, -900, weighted), 7); },
                               [&] { return same(updated, before); });
    CHECK(failures > 0);
    CHECK(same(updated, one));
    CHECK(updated.rows() == 7);
  }
}

TEST(adding_groups_is_all_or_nothing) {
  const int64_t indices[] = {2, 0, 5, 3};
  const std::vector<int64_t> rows = {1, 2, 3, 4};
  const Moments before(far_apart(30, 0, true), false, 3);
  Moments sum(before), expected(before);
  expected.add_groups(far_apart(40, 700, true), rows, 10, indices);
  int failures =
      fail_everywhere([&] { sum.add_groups(far_apart(40, 700, true), rows, 10, indices); },
                      [&] { return same(sum, before); });
  CHECK(failures > 0);
  CHECK(same(sum, expected));
  CHECK(sum.groups() == 6);
  CHECK(sum.group_rows() == (std::vector<int64_t>{2, 0, 1, 4, 0, 3}));
}

TEST(merging_and_repeated_groups_are_all_or_nothing) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t indices[] = {1, 0, 1, 1};
  const std::vector<int64_t> rows = {1, 2, 3, 4};
  for (bool weighted : {false, true}) {
    Moments before(far_apart(30, 0, weighted), false, 3);
    Column full = before.column(12);  // its count overflows in the second addition
    full.count = kMost - 1;
    before.set_column(12, full);
    Moments sum(before), expected(before);
    expected.merge(Moments(far_apart(30, -900, weighted), true, 3));
    int failures =
        fail_everywhere([&] { sum.merge(Moments(far_apart(30, -900, weighted), true, 3)); },
                        [&] { return same(sum, before); });
    CHECK(failures > 0);
    CHECK(same(sum, expected));
    CHECK(sum.extremes_are_bounds());

    Moments grouped(before), one_by_one(before);
    for (std::size_t i = 0; i < 4; ++i) {
      std::vector<Column> all = far_apart(40, 700, weighted);
      std::vector<Column> part(all.begin() + long(10 * i), all.begin() + long(10 * i) + 10);
      one_by_one.add_groups(std::move(part), {rows[i]}, 10, &indices[i]);
    }
    failures = fail_everywhere(
        [&] { grouped.add_groups(far_apart(40, 700, weighted), rows, 10, indices); },
        [&] { return same(grouped, before); });
    CHECK(failures > 0);
    CHECK(same(grouped, one_by_one));
  }
}

TEST(hooks_cancel_a_change_or_follow_it) {
  const Moments before(far_apart(30, 0, true), false, 3);
  Moments sum(before), more(before);
  int commits = 0;
  const Hooks cancel{[] { return false; }, [&] { ++commits; }};
  const int64_t indices[] = {7};
  CHECK(!sum.add_groups(far_apart(10, 5, false), {1}, 10, indices, false, cancel));
  CHECK(!sum.add(before, cancel));
  CHECK(!sum.merge(std::move(more), cancel));
  CHECK(!Moments(30, 3).add(before, cancel));
  CHECK(same(sum, before));
  CHECK(same(more, before));
  CHECK(commits == 0);
  const Hooks count{[] { return true; }, [&] { ++commits; }};
  CHECK(sum.add(before, count));
  CHECK(sum.merge(std::move(more), count));
  CHECK(sum.add_groups(far_apart(10, 5, false), {1}, 10, indices, false, count));
  CHECK(commits == 3);
}

TEST(exceptions_reach_the_caller_after_all_threads_have_ended) {
  for (const char* runtime : {"own", ""}) {
    setenv("EVENLY_THREADS", runtime, 1);
    for (int threads : {1, 2, 5}) {
      for (int64_t thrower : {0, 1, 37, 99}) {
        std::atomic<int> running{0}, ended{0};
        bool caught = false;
        try {
          parallel(100, threads, [&](int64_t index) {
            ++running;
            struct Leaving {
              std::atomic<int>& count;
              ~Leaving() { ++count; }
            } leaving{ended};
            if (index == thrower) throw std::bad_alloc();
          });
        } catch (const std::bad_alloc&) {
          caught = true;
        }
        CHECK(caught);
        CHECK(running == ended);
      }
    }
    unsetenv("EVENLY_THREADS");
  }
}

// ThreadSanitizer cannot see the locks of a runtime that was built without it.
#if !defined(__SANITIZE_THREAD__)
TEST(sums_on_openmp_threads_are_all_or_nothing) {
  if (!dlopen("libgomp.so.1", RTLD_NOW)) {
    std::printf("libgomp not found: %s\n", dlerror());
    return;
  }
  CHECK(runtime_name().find("libgomp") == 0, runtime_name());
  check_sums_of_an_array();
}
#endif
