#include "base/thread_pool.h"

#ifndef _WIN32
#include <pthread.h>
#endif
#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <forward_list>
#include <mutex>
#include <thread>
#include <vector>

#include "base/partition.h"

namespace evenly {
namespace {

// Each thread owns a contiguous range of the pieces: if the same memory is processed repeatedly,
// each core finds its part in its caches. A thread that has finished its range helps the others.
//
// An exception must not leave a thread: it would terminate the process, or unwind the caller's
// stack, which holds the job, while other threads are working on it. So the first exception is
// stored, pieces that have not started are skipped, and the caller rethrows it after all threads
// are done.
struct Job {
  static constexpr int kMaxShares = 16;
  struct alignas(64) Share {
    std::atomic<int64_t> next;
    int64_t end;
  };

  void (*run)(void*, int64_t);
  void* context;
  int shares;
  std::atomic<int> arrived{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;
  Share share[kMaxShares];

  Job(int64_t pieces, int threads, void (*call)(void*, int64_t), void* with)
      : run(call), context(with), shares(std::clamp(threads, 1, kMaxShares)) {
    for (int i = 0; i < shares; ++i) {
      share[i].next.store(split_point(pieces, shares, i), std::memory_order_relaxed);
      share[i].end = split_point(pieces, shares, i + 1);
    }
  }
  void work() noexcept {
    const int own = arrived.fetch_add(1, std::memory_order_relaxed);
    for (int i = 0; i < shares; ++i) {
      Share& from = share[(own + i) % shares];
      for (int64_t piece; (piece = from.next.fetch_add(1, std::memory_order_relaxed)) < from.end;) {
        if (failed.load(std::memory_order_relaxed)) return;
        try {
          run(context, piece);
        } catch (...) {
          if (!failed.exchange(true)) error = std::current_exception();
        }
      }
    }
  }
};

// Makes the C++ runtime allocate this thread's exception state now. It is otherwise allocated when
// the thread first throws, and the process terminates if that fails, for example while throwing
// std::bad_alloc.
void prepare_to_throw() noexcept {
  [[maybe_unused]] volatile int asked =
      std::uncaught_exceptions();  // volatile, so that the call is not optimized away
}

// ---- A pool of our own -------------------------------------------------------------------

class Pool {
 public:
  // Returns false if the pool is busy with another thread's job.
  bool run(Job& job, int threads) {
    std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    {
      std::unique_lock lock(mutex_);
      start_workers(lock, threads - 1);
      job_ = &job;
      wanted_ = std::min(workers_, threads - 1);
      ++generation_;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock lock(mutex_);
    wanted_ = 0;  // workers that have not woken up yet are not needed
    done_.wait(lock, [this] { return active_ == 0; });
    job_ = nullptr;
    return true;
  }

 private:
  // Starts workers, or fewer if the system does not allow more, and waits for them. Called under
  // the lock.
  void start_workers(std::unique_lock<std::mutex>& lock, int wanted) noexcept {
    try {
      for (; workers_ < wanted; ++workers_) std::thread([this] { serve(); }).detach();
    } catch (const std::exception&) {
    }
    done_.wait(lock, [this] { return ready_ == workers_; });
  }
  void serve() {
    prepare_to_throw();
    uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    if (++ready_ == workers_) done_.notify_one();
    for (;;) {
      wake_.wait(lock, [&] { return generation_ != seen && wanted_ > 0; });
      seen = generation_;
      --wanted_;
      ++active_;
      Job* job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  std::mutex turn_;  // one job at a time
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  uint64_t generation_ = 0;
  int workers_ = 0, ready_ = 0, wanted_ = 0, active_ = 0;
  Job* job_ = nullptr;
};

// Never destroyed: detached workers wait on it while the process exits.
Pool& pool() {
  static Pool* the_pool = new Pool;
  return *the_pool;
}

// Whether this many threads can be started at the same time now: starts them and lets them exit.
bool can_start(int wanted) noexcept {
  std::mutex mutex;
  std::condition_variable wake;
  bool done = false;
  std::vector<std::thread> threads;
  try {
    threads.reserve(std::size_t(wanted));
    while (int(threads.size()) < wanted) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return done; });
      });
    }
  } catch (const std::exception&) {
  }
  {
    std::lock_guard lock(mutex);
    done = true;
  }
  wake.notify_all();
  for (std::thread& thread : threads) thread.join();
  return int(threads.size()) == wanted;
}

// ---- An OpenMP runtime of another library ------------------------------------------------

// libgomp's entry for a parallel region; LLVM's and Intel's libraries export it too.
using Parallel = void (*)(void (*fn)(void*), void* data, unsigned threads, unsigned flags);

struct OpenMP {
  Parallel parallel = nullptr;
  int (*max_threads)() = nullptr;  // as set by torch.set_num_threads or OMP_NUM_THREADS
  std::string name;
};

#ifdef __linux__

struct FoundRuntime {
  std::string path;
  int rank = 0;
};

// torch's copy is preferred; a process may have loaded several runtimes.
int visit(dl_phdr_info* info, std::size_t, void* data) {
  const char* path = info->dlpi_name;
  const char* slash = path ? std::strrchr(path, '/') : nullptr;
  const char* base = slash ? slash + 1 : path;
  if (!base) return 0;
  bool openmp = std::strncmp(base, "libgomp", 7) == 0 || std::strncmp(base, "libomp", 6) == 0 ||
                std::strncmp(base, "libiomp5", 8) == 0;
  if (!openmp) return 0;
  int rank = std::strstr(path, "torch") ? 3 : std::strstr(path, "scikit_learn") ? 2 : 1;
  FoundRuntime* found = static_cast<FoundRuntime*>(data);
  if (rank > found->rank) *found = {path, rank};
  return 0;
}

OpenMP find_openmp() {
  FoundRuntime found;
  dl_iterate_phdr(visit, &found);
  if (found.rank == 0) return {};
  void* library = dlopen(found.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return {};
  auto symbol = reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel"));
  if (!symbol) {
    dlclose(library);
    return {};
  }
  // The handle is not closed: this keeps the library loaded for as long as we may call it.
  std::string name = found.path.substr(found.path.rfind('/') + 1);
  name = name.substr(0, name.find_first_of(".-"));
  const char* owners[] = {"", "", " (scikit-learn's)", " (torch's)"};
  auto max_threads = reinterpret_cast<int (*)()>(dlsym(library, "omp_get_max_threads"));
  return {symbol, max_threads, name + owners[found.rank]};
}

// Searches again only if the number of loaded libraries has changed, and not after torch's runtime
// has been found. (Earlier results are kept, because another thread may be using them.)
const OpenMP& openmp() {
  static std::mutex mutex;
  static unsigned long long libraries = 0;
  static std::atomic<const OpenMP*> torch_runtime{nullptr};
  static auto& known = *new std::forward_list<OpenMP>(1);  // newest first; never destroyed
  if (const OpenMP* final = torch_runtime.load(std::memory_order_acquire)) return *final;
  std::lock_guard lock(mutex);
  unsigned long long now = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        *static_cast<unsigned long long*>(data) = info->dlpi_adds;
        return 1;
      },
      &now);
  if (now != libraries) {
    libraries = now;
    OpenMP found = find_openmp();
    if (found.parallel) known.push_front(found);
    if (known.front().name.find("torch") != std::string::npos) torch_runtime.store(&known.front());
  }
  return known.front();
}

#else

// On other systems our own pool is used. (No alternative has been measured on macOS.)
const OpenMP& openmp() {
  static const OpenMP none;
  return none;
}

#endif

// libgomp and similar runtimes terminate the process if they cannot start a thread or allocate
// memory for a team. So before the first call with a larger team, check that both are available,
// and have its threads prepare to throw.
bool can_start_team(const OpenMP& runtime, int threads) {
  constexpr std::size_t kTeamBytes = 64 << 10;  // 128 threads of libgomp take 40 kB
  void* memory = std::malloc(kTeamBytes);
  std::free(memory);
  if (!memory) return false;
  thread_local int last_team = 1;
  if (threads > last_team) {
    if (!can_start(threads - 1)) return false;
    runtime.parallel([](void*) { prepare_to_throw(); }, nullptr, unsigned(threads), 0);
  }
  last_team = threads;
  return true;
}

// ---- Fork --------------------------------------------------------------------------------

std::atomic<bool> forked{false};

#ifndef _WIN32
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

bool uses_own_pool() {
  const char* choice = std::getenv("EVENLY_THREADS");
  return choice && std::strcmp(choice, "own") == 0;
}

}  // namespace

namespace {

// Runs the job on OpenMP's threads, on our own pool, or on this thread.
void run_on_threads(Job& job, int threads) {
  if (!uses_own_pool()) {
    const OpenMP& runtime = openmp();
    if (runtime.parallel && can_start_team(runtime, threads)) {
      return runtime.parallel([](void* data) { static_cast<Job*>(data)->work(); }, &job,
                              unsigned(threads), 0);
    }
  }
  if (!pool().run(job, threads)) job.work();
}

}  // namespace

void parallel(int64_t pieces, int threads, void (*run)(void*, int64_t), void* context) {
  prepare_to_throw();
  int useful = int(std::min<int64_t>(threads, pieces));
  Job job(pieces, forked ? 1 : useful, run, context);
  if (useful <= 1 || forked) {
    job.work();
  } else {
    run_on_threads(job, useful);
  }
  if (job.error) std::rethrow_exception(job.error);
}

int default_threads() {
  if (const char* wanted = std::getenv("EVENLY_NUM_THREADS")) {
    int threads = std::atoi(wanted);
    if (threads > 0) return threads;
  }
  if (forked) return 1;
  if (const OpenMP& runtime = openmp(); runtime.max_threads) return runtime.max_threads();
#ifdef __linux__
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

std::string runtime_name() {
  if (forked) return "one thread (forked process)";
  if (!uses_own_pool()) {
    if (const OpenMP& runtime = openmp(); runtime.parallel) return runtime.name;
  }
  return "evenly's own pool";
}

}  // namespace evenly
