// Memory between two inaccessible pages.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace evenly::testing {

// Which end of the memory is adjacent to a guard page.
enum class Edge { kBegin, kEnd };

// `bytes` bytes; an access beyond the edge terminates the program.
class Guarded {
 public:
  Guarded(std::size_t bytes, Edge edge) {
    std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
    std::size_t inside = (bytes + page - 1) / page * page;
    length_ = inside + 2 * page;
    void* room = mmap(nullptr, length_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) std::abort();
    room_ = static_cast<char*>(room);
    if (inside && mprotect(room_ + page, inside, PROT_READ | PROT_WRITE) != 0) std::abort();
    data_ = room_ + page + (edge == Edge::kEnd ? inside - bytes : 0);
  }
  Guarded(Guarded&& other) noexcept
      : room_(std::exchange(other.room_, nullptr)), data_(other.data_), length_(other.length_) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (room_) munmap(room_, length_);
  }

  char* data() const { return data_; }

 private:
  char* room_;
  char* data_;
  std::size_t length_;
};

}  // namespace evenly::testing
