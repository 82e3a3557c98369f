// Runs tasks on several cores.
//
// If an OpenMP runtime is loaded in this process (PyTorch's is preferred, then scikit-learn's), its
// threads are used: two pools on the same cores compete, because OpenMP's workers spin for a while
// after each job. Otherwise a small pool of our own is used. A forked child uses its single thread,
// because the threads of either pool do not exist there.
#pragma once

#include <cstdint>
#include <string>

namespace evenly {

// Calls run(context, index) once for each index in [0, pieces) on up to `threads` threads and
// returns when all calls have ended. If a call throws, no further calls start, and one of the
// exceptions is rethrown here. If fewer threads can be started, fewer are used.
void parallel(int64_t pieces, int threads, void (*run)(void* context, int64_t index),
              void* context);

template <class F>
void parallel(int64_t pieces, int threads, F&& f) {
  parallel(
      pieces, threads, [](void* context, int64_t index) { (*static_cast<F*>(context))(index); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// EVENLY_NUM_THREADS if set; otherwise the OpenMP runtime's number (which torch.set_num_threads
// sets); otherwise the number of cores available to this process.
int default_threads();

// A description of what parallel() would use now.
std::string runtime_name();

}  // namespace evenly
