// If an OpenMP runtime is loaded in the process, its threads are used.
#include <dlfcn.h>

#include <cstdlib>

#include "base/thread_pool.h"
#include "sum/accumulate.h"
#include "tests/check.h"
#include "tests/reference.h"

using namespace evenly;
using namespace evenly::testing;

TEST(openmp_loaded_later_is_used) {
  Random random(seed());
  TestArray x(DType::kFloat32, contiguous({20000, 40}, 1), Edge::kEnd);
  fill(x, random, Kind::kOutliers);
  AccumulateOptions options;
  options.threads = 4;
  bool infinite = true;
  std::vector<Column> expected = accumulate(x.array(), options, infinite);
  CHECK(runtime_name() == "evenly's own pool", runtime_name());
  if (!dlopen("libgomp.so.1", RTLD_NOW)) {
    std::printf("libgomp not found: %s\n", dlerror());
    return;
  }
  CHECK(runtime_name().find("libgomp") == 0, runtime_name());
  CHECK(difference(accumulate(x.array(), options, infinite), expected) < 0);
  setenv("EVENLY_THREADS", "own", 1);
  CHECK(runtime_name() == "evenly's own pool", runtime_name());
  CHECK(difference(accumulate(x.array(), options, infinite), expected) < 0);
  unsetenv("EVENLY_THREADS");
}
