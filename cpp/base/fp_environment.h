// The floating-point environment that exact arithmetic requires.
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace evenly {

// Sets round-to-nearest and enables subnormals for the lifetime of the object. The caller may have
// called torch.set_flush_denormal(True), under which sums of small values are not exact.
class ScopedFpEnvironment {
 public:
#if defined(__x86_64__)
  ScopedFpEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~ScopedFpEnvironment() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  ScopedFpEnvironment() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(uint64_t(0)));
  }
  ~ScopedFpEnvironment() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }

 private:
  uint64_t saved_;
#else
  ScopedFpEnvironment() {}
#endif
  ScopedFpEnvironment(const ScopedFpEnvironment&) = delete;
  ScopedFpEnvironment& operator=(const ScopedFpEnvironment&) = delete;
};

}  // namespace evenly
