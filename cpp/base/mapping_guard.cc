#include "base/mapping_guard.h"

#ifndef _WIN32
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdint>
#include <mutex>

namespace evenly {

#ifndef _WIN32
namespace {

// A signal handler must not take a lock, hence a table of fixed size. An entry whose begin is 0 is
// free; begin is written last and cleared first.
struct Mapping {
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> failed{false};
};

constexpr int kMaxMappings = 4096;
Mapping mappings[kMaxMappings];
std::atomic<int> used{0};  // all guarded mappings have smaller indices
std::mutex changing;
struct sigaction before;
std::atomic<bool> passed_on{false};

bool fill_with_zeros(uintptr_t address) noexcept {
  const int count = used.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    const uintptr_t begin = mappings[i].begin.load(std::memory_order_acquire);
    const uintptr_t end = mappings[i].end.load(std::memory_order_relaxed);
    if (begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page = address & ~uintptr_t(sysconf(_SC_PAGESIZE) - 1);
    mappings[i].failed.store(true, std::memory_order_release);
    return mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
  }
  return false;
}

// Faults outside our mappings are passed to the previous handler. If it does not resolve the fault
// but raises the signal again (as Python's faulthandler does), the process terminates as by
// default.
void on_fault(int number, siginfo_t* info, void* context) {
  if (info->si_code > 0 && fill_with_zeros(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  const bool known = (before.sa_flags & SA_SIGINFO) ||
                     (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN);
  if (!known || passed_on.exchange(true)) {
    signal(number, SIG_DFL);
    if (info->si_code <= 0) raise(number);  // otherwise the access is repeated
    return;
  }
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else {
    before.sa_handler(number);
  }
  passed_on = false;
}

// Installs the handler again if another library has replaced it.
bool install_handler() {
  struct sigaction current{};
  if (sigaction(SIGBUS, nullptr, &current) != 0) return false;
  if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault) return true;
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  before = current;
  return sigaction(SIGBUS, &action, nullptr) == 0;
}

}  // namespace

int guard_mapping(const void* address, std::size_t bytes) noexcept {
  std::lock_guard lock(changing);
  if (bytes == 0 || !install_handler()) return -1;
  for (int i = 0; i < kMaxMappings; ++i) {
    Mapping& mapping = mappings[i];
    if (mapping.begin.load(std::memory_order_relaxed) != 0) continue;
    const auto begin = reinterpret_cast<uintptr_t>(address);
    const auto page = uintptr_t(sysconf(_SC_PAGESIZE));
    mapping.failed.store(false, std::memory_order_relaxed);
    mapping.end.store((begin + bytes + page - 1) / page * page, std::memory_order_relaxed);
    mapping.begin.store(begin, std::memory_order_release);
    if (i >= used.load(std::memory_order_relaxed)) used.store(i + 1, std::memory_order_release);
    return i;
  }
  return -1;
}

void unguard_mapping(int number) noexcept {
  if (number >= 0 && number < kMaxMappings)
    mappings[number].begin.store(0, std::memory_order_release);
}

bool mapping_failed(int number) noexcept {
  return number >= 0 && number < kMaxMappings &&
         mappings[number].failed.load(std::memory_order_acquire);
}

#else

int guard_mapping(const void*, std::size_t) noexcept { return -1; }
void unguard_mapping(int) noexcept {}
bool mapping_failed(int) noexcept { return false; }

#endif

}  // namespace evenly
