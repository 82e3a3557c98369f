// Runs pieces of work on several cores.
//
// When an OpenMP runtime is loaded in this process (PyTorch's, else
// scikit-learn's), its threads are used: two pools on the same cores fight, for
// OpenMP's workers spin for a while after each of their own jobs. Without one, a
// small pool of our own. A forked child runs on its one thread: neither pool's
// threads exist there.
#pragma once

#include <cstdint>
#include <string>

namespace evenly {

// Calls run(context, index) once for each index in [0, pieces) on up to `threads`
// threads and returns when all have ended. When calls throw, no further ones begin, and
// one of the exceptions is thrown again here. Threads that cannot be started are done without.
void parallel(int64_t pieces, int threads, void (*run)(void* context, int64_t index),
              void* context);

template <class F>
void parallel(int64_t pieces, int threads, F&& f) {
  parallel(
      pieces, threads, [](void* context, int64_t index) { (*static_cast<F*>(context))(index); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// EVENLY_NUM_THREADS, else what the OpenMP runtime that is loaded would take (which is what
// torch.set_num_threads sets), else the number of cores this process may use.
int default_threads();

// What parallel() would use now, in words.
std::string runtime_name();

}  // namespace evenly
