// Memory between two inaccessible pages.
#pragma once

#ifdef _WIN32
#include <windows.h>
#undef near  // macros of this header, for 16-bit systems
#undef far
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace evenly::testing {

#ifdef _WIN32

inline std::size_t page_size() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}
inline void* reserve(std::size_t bytes) {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS);
}
inline bool make_accessible(void* memory, std::size_t bytes) {
  return VirtualAlloc(memory, bytes, MEM_COMMIT, PAGE_READWRITE);
}
inline void release(void* memory, std::size_t) { VirtualFree(memory, 0, MEM_RELEASE); }

#else

inline std::size_t page_size() { return std::size_t(sysconf(_SC_PAGESIZE)); }
inline void* reserve(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
inline bool make_accessible(void* memory, std::size_t bytes) {
  return mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0;
}
inline void release(void* memory, std::size_t bytes) { munmap(memory, bytes); }

#endif

// Which end of the memory is adjacent to a guard page.
enum class Edge { kBegin, kEnd };

// `bytes` bytes; an access beyond the edge terminates the program.
class Guarded {
 public:
  Guarded(std::size_t bytes, Edge edge) {
    std::size_t page = page_size();
    std::size_t inside = (bytes + page - 1) / page * page;
    length_ = inside + 2 * page;
    room_ = static_cast<char*>(reserve(length_));
    if (!room_ || (inside && !make_accessible(room_ + page, inside))) std::abort();
    data_ = room_ + page + (edge == Edge::kEnd ? inside - bytes : 0);
  }
  Guarded(Guarded&& other) noexcept
      : room_(std::exchange(other.room_, nullptr)), data_(other.data_), length_(other.length_) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (room_) release(room_, length_);
  }

  char* data() const { return data_; }

 private:
  char* room_;
  char* data_;
  std::size_t length_;
};

}  // namespace evenly::testing
