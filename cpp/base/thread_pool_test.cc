// Any number of threads within a call, and any number of concurrent calls.
#include "base/thread_pool.h"

#include <atomic>
#include <thread>

#include "scale/scale.h"
#include "sum/accumulate.h"
#include "tests/check.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

std::vector<Column> accumulated(const Array& array, int threads) {
  AccumulateOptions options;
  options.threads = threads;
  bool infinite = true;
  return accumulate(array, options, infinite);
}

// Large enough for eight threads.
std::vector<Layout> large_layouts(int64_t elements) {
  Layout slice = contiguous({elements / 90, 90}, 1), fortran = contiguous({elements / 33, 33}, 1);
  slice.strides[0] = 97;
  fortran.strides = {1, elements / 33};
  Layout gathered = contiguous({elements / 50, 50}, 1);
  gathered.strides = {100, 2};
  return {contiguous({elements}, -1),
          contiguous({elements / 7, 7}, 1),
          contiguous({elements / 64, 64}, 1),
          contiguous({20, elements / 20}, 1),
          slice,
          fortran,
          gathered,
          contiguous({elements / 3 / 4096, 3, 64, 64}, 1),
          contiguous({elements / 3 / 196, 3, 196}, 1)};
}

}  // namespace

TEST(every_piece_runs_once_for_any_number_of_threads) {
  for (int threads = 1; threads <= 9; ++threads) {
    for (int64_t pieces : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
      parallel(pieces, threads, [&](int64_t index) { ++runs[std::size_t(index)]; });
      for (auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST(any_number_of_threads_gives_the_same_sums) {
  Random random(seed());
  for (DType dtype :
       {DType::kUint8, DType::kInt64, DType::kFloat16, DType::kFloat32, DType::kFloat64}) {
    int64_t elements = portion(1 << 20) / size_of(dtype);
    for (const Layout& layout : large_layouts(elements)) {
      TestArray x(dtype, layout, Edge::kEnd);
      fill(x, random,
           random.one_of({Kind::kNormal, Kind::kTwoScales, Kind::kOutliers, Kind::kSomeNan}));
      std::vector<Column> one = accumulated(x.array(), 1);
      for (int threads = 2; threads <= 8; ++threads) {
        CHECK(difference(accumulated(x.array(), threads), one) < 0, layout.text());
      }
    }
  }
}

TEST(concurrent_updates_of_one_state) {
  Random random(seed());
  constexpr int kCallers = 6;
  constexpr int64_t kRounds = 5, kColumns = 40;
  TestArray x(DType::kFloat32, contiguous({portion(20000), kColumns}, 1), Edge::kEnd);
  fill(x, random, Kind::kOutliers);
  Moments one(accumulated(x.array(), 1)), shared(kColumns), expected(kColumns);
  for (int i = 0; i < kCallers * kRounds; ++i) expected.add(one);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int64_t round = 0; round < kRounds; ++round) {
        shared.add(Moments(accumulated(x.array(), caller % 4 + 1)));
        (void)shared.snapshot();
        (void)(shared == expected);
        (void)shared.bytes();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(shared == expected);
}

TEST(adding_two_states_to_each_other_concurrently_does_not_deadlock) {
  Moments a(30), b(30);
  Column column;
  add_scalar(column, 2.0);
  column.count = 1;
  a.set_column(3, column);
  b.set_column(4, column);
  std::thread other([&] {
    for (int i = 0; i < 30; ++i) a.add(b);
  });
  for (int i = 0; i < 30; ++i) b.add(a);
  other.join();
  CHECK(!a.column(3).sum.is_zero());
  CHECK(!b.column(3).sum.is_zero());
}

TEST(concurrent_scaling) {
  Random random(seed());
  Layout layout = contiguous({portion(20000), 30}, 1);
  TestArray x(DType::kFloat32, layout, Edge::kEnd), expected(DType::kFloat32, layout, Edge::kEnd);
  fill(x, random, Kind::kNormal);
  std::vector<double> high(30, 0.5), low(30, 1e-20), factor(30, 3.0);
  ScaleOptions options{high.data(), low.data(), factor.data()};
  scale(x.array(), expected.array(), options);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      TestArray out(DType::kFloat32, layout, Edge::kEnd);
      ScaleOptions mine = options;
      mine.threads = caller + 1;
      for (int round = 0; round < 4; ++round) {
        scale(x.array(), out.array(), mine);
        CHECK(std::memcmp(out.memory(), expected.memory(), out.bytes()) == 0);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}
