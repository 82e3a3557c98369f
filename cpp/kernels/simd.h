// The vector operations that the kernels need, for the instruction set that the including file is
// compiled for. Most of them are the compiler's vector extensions; this file adds what those cannot
// express, such as fused multiply-add, and minima with a defined result for NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/dtype.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace evenly {
namespace {  // internal linkage: each instruction set needs its own copy, which the linker must not
             // merge

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kVectorsAtOnce = 2;  // 32 registers hold the sums of two
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kVectorsAtOnce = 1;
#else
constexpr int kVectorBytes = 16;
constexpr int kVectorsAtOnce = 1;
#endif
#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kHasFma = true;
#else
constexpr bool kHasFma = false;
#endif

template <class T, int Count>
struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * Count)));
};
template <class T, int Count>
using Vector = typename VectorOf<T, Count>::type;
// A full register of T.
template <class T>
using Full = Vector<T, kVectorBytes / int(sizeof(T))>;

template <class V>
inline V load(const void* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class V>
inline void store(void* to, V value) {
  std::memcpy(to, &value, sizeof value);
}
template <class V, class T>
inline V splat(T value) {
  return V{} + value;
}

// x < m ? x : m, so that the result is m if x is NaN.
template <class V>
inline V lane_min(V x, V m) {
  return x < m ? x : m;
}
template <class V>
inline V lane_max(V x, V m) {
  return x > m ? x : m;
}

#if defined(__AVX512F__)
inline Full<float> lane_min(Full<float> x, Full<float> m) {
  return (Full<float>)_mm512_min_ps((__m512)x, (__m512)m);
}
inline Full<float> lane_max(Full<float> x, Full<float> m) {
  return (Full<float>)_mm512_max_ps((__m512)x, (__m512)m);
}
inline Full<double> lane_min(Full<double> x, Full<double> m) {
  return (Full<double>)_mm512_min_pd((__m512d)x, (__m512d)m);
}
inline Full<double> lane_max(Full<double> x, Full<double> m) {
  return (Full<double>)_mm512_max_pd((__m512d)x, (__m512d)m);
}
inline Full<uint32_t> lane_min(Full<uint32_t> x, Full<uint32_t> m) {
  return (Full<uint32_t>)_mm512_min_epu32((__m512i)x, (__m512i)m);
}
inline Full<uint64_t> lane_min(Full<uint64_t> x, Full<uint64_t> m) {
  return (Full<uint64_t>)_mm512_min_epu64((__m512i)x, (__m512i)m);
}
inline Full<double> fused(Full<double> x, Full<double> y, Full<double> z) {
  return (Full<double>)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
}
inline Full<double> fused_less(Full<double> x, Full<double> y, Full<double> z) {
  return (Full<double>)_mm512_fmsub_pd((__m512d)x, (__m512d)y, (__m512d)z);
}
inline Full<float> fused(Full<float> x, Full<float> y, Full<float> z) {
  return (Full<float>)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
}
inline Full<int64_t> multiply_low32(Full<int64_t> x, std::true_type) {
  return (Full<int64_t>)_mm512_mul_epi32((__m512i)x, (__m512i)x);
}
inline Full<int64_t> multiply_low32(Full<int64_t> x, std::false_type) {
  return (Full<int64_t>)_mm512_mul_epu32((__m512i)x, (__m512i)x);
}
inline Full<double> doubles(const Float16* from) {
  return (Full<double>)_mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from)));
}
inline Full<float> floats(const Float16* from) {
  return (Full<float>)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)from));
}
#elif defined(__AVX2__)
inline Full<float> lane_min(Full<float> x, Full<float> m) {
  return (Full<float>)_mm256_min_ps((__m256)x, (__m256)m);
}
inline Full<float> lane_max(Full<float> x, Full<float> m) {
  return (Full<float>)_mm256_max_ps((__m256)x, (__m256)m);
}
inline Full<double> lane_min(Full<double> x, Full<double> m) {
  return (Full<double>)_mm256_min_pd((__m256d)x, (__m256d)m);
}
inline Full<double> lane_max(Full<double> x, Full<double> m) {
  return (Full<double>)_mm256_max_pd((__m256d)x, (__m256d)m);
}
inline Full<uint32_t> lane_min(Full<uint32_t> x, Full<uint32_t> m) {
  return (Full<uint32_t>)_mm256_min_epu32((__m256i)x, (__m256i)m);
}
inline Full<double> fused(Full<double> x, Full<double> y, Full<double> z) {
  return (Full<double>)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
}
inline Full<double> fused_less(Full<double> x, Full<double> y, Full<double> z) {
  return (Full<double>)_mm256_fmsub_pd((__m256d)x, (__m256d)y, (__m256d)z);
}
inline Full<float> fused(Full<float> x, Full<float> y, Full<float> z) {
  return (Full<float>)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
}
inline Full<int64_t> multiply_low32(Full<int64_t> x, std::true_type) {
  return (Full<int64_t>)_mm256_mul_epi32((__m256i)x, (__m256i)x);
}
inline Full<int64_t> multiply_low32(Full<int64_t> x, std::false_type) {
  return (Full<int64_t>)_mm256_mul_epu32((__m256i)x, (__m256i)x);
}
inline Full<double> doubles(const Float16* from) {
  return (Full<double>)_mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i*)from)));
}
inline Full<float> floats(const Float16* from) {
  return (Full<float>)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from));
}
#else
#if defined(__aarch64__)
inline Full<double> fused(Full<double> x, Full<double> y, Full<double> z) {
  return (Full<double>)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y);
}
inline Full<float> fused(Full<float> x, Full<float> y, Full<float> z) {
  return (Full<float>)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
}
#else
// Rounds twice: callers for which that matters check kHasFma.
inline Full<double> fused(Full<double> x, Full<double> y, Full<double> z) { return x * y + z; }
inline Full<float> fused(Full<float> x, Full<float> y, Full<float> z) { return x * y + z; }
#endif
inline Full<double> fused_less(Full<double> x, Full<double> y, Full<double> z) {
  return fused(x, y, -z);
}
template <class Signed>
inline Full<int64_t> multiply_low32(Full<int64_t> x, Signed) {
  return (Full<int64_t>)((Full<uint64_t>)x * (Full<uint64_t>)x);
}
inline Full<double> doubles(const Float16* from) {
  return Full<double>{to_float(from[0]), to_float(from[1])};
}
inline Full<float> floats(const Float16* from) {
  return Full<float>{to_float(from[0]), to_float(from[1]), to_float(from[2]), to_float(from[3])};
}
#endif

// Consecutive elements, widened to a larger type. (The intrinsics are needed because GCC 12
// converts vectors to two or four times the width in halves or element by element.)
template <class W, class T>
inline Full<W> widened(const T* from) {
#if defined(__AVX512F__)
  if constexpr (sizeof(W) == 4 * sizeof(T)) {
    __m128i x = _mm_loadu_si128((const __m128i*)from);
    return (Full<W>)(std::is_signed_v<T> ? _mm512_cvtepi8_epi32(x) : _mm512_cvtepu8_epi32(x));
  } else if constexpr (sizeof(W) == 2 * sizeof(T)) {
    __m256i x = _mm256_loadu_si256((const __m256i*)from);
    if constexpr (sizeof(T) == 2) {
      return (Full<W>)(std::is_signed_v<T> ? _mm512_cvtepi16_epi32(x) : _mm512_cvtepu16_epi32(x));
    } else {
      return (Full<W>)(std::is_signed_v<T> ? _mm512_cvtepi32_epi64(x) : _mm512_cvtepu32_epi64(x));
    }
  } else {
    return load<Full<W>>(from);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(W) == 4 * sizeof(T)) {
    __m128i x = _mm_loadl_epi64((const __m128i*)from);
    return (Full<W>)(std::is_signed_v<T> ? _mm256_cvtepi8_epi32(x) : _mm256_cvtepu8_epi32(x));
  } else if constexpr (sizeof(W) == 2 * sizeof(T)) {
    __m128i x = _mm_loadu_si128((const __m128i*)from);
    if constexpr (sizeof(T) == 2) {
      return (Full<W>)(std::is_signed_v<T> ? _mm256_cvtepi16_epi32(x) : _mm256_cvtepu16_epi32(x));
    } else {
      return (Full<W>)(std::is_signed_v<T> ? _mm256_cvtepi32_epi64(x) : _mm256_cvtepu32_epi64(x));
    }
  } else {
    return load<Full<W>>(from);
  }
#else
  return __builtin_convertvector((load<Vector<T, kVectorBytes / int(sizeof(W))>>(from)), Full<W>);
#endif
}

// Interleaves elements of type E from the lower or upper halves of each 16 bytes of x and y.
template <class E, bool kUpper, class V>
inline V interleaved(V x, V y) {
  constexpr int kAll = kVectorBytes / int(sizeof(E)), kBlock = 16 / int(sizeof(E));
  return [&]<int... kAt>(std::integer_sequence<int, kAt...>) {
    return (V)__builtin_shufflevector(
        (Full<E>)x, (Full<E>)y,
        (kAt / kBlock * kBlock + kUpper * kBlock / 2 + kAt % kBlock / 2 + kAt % 2 * kAll)...);
  }(std::make_integer_sequence<int, kAll>());
}

// The elements of x and y at even or at odd indices.
template <int kOdd>
inline Full<float> every_second(Full<float> x, Full<float> y) {
  return [&]<int... kAt>(std::integer_sequence<int, kAt...>) {
    return __builtin_shufflevector(x, y, (2 * kAt + kOdd)...);
  }(std::make_integer_sequence<int, kVectorBytes / 4>());
}

// The sums of the squares of adjacent elements.
inline Full<int32_t> squares_of_pairs(Full<int16_t> x) {
#if defined(__AVX512F__)
  return (Full<int32_t>)_mm512_madd_epi16((__m512i)x, (__m512i)x);
#elif defined(__AVX2__)
  return (Full<int32_t>)_mm256_madd_epi16((__m256i)x, (__m256i)x);
#elif defined(__x86_64__)
  return (Full<int32_t>)_mm_madd_epi16((__m128i)x, (__m128i)x);
#else
  auto both = (Full<int32_t>)x, low = (both << 16) >> 16, high = both >> 16;
  return low * low + high * high;
#endif
}

inline Full<double> doubles(const double* from) { return load<Full<double>>(from); }
#if defined(__AVX512F__)
inline Full<double> doubles(const float* from) {
  return (Full<double>)_mm512_cvtps_pd(_mm256_loadu_ps(from));
}
inline Full<double> doubles(const BFloat16* from) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)from));
  return (Full<double>)_mm512_cvtps_pd((__m256)_mm256_slli_epi32(wide, 16));
}
inline Full<float> floats(const BFloat16* from) {
  return (Full<float>)_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from)), 16);
}
#elif defined(__AVX2__)
inline Full<double> doubles(const float* from) {
  return (Full<double>)_mm256_cvtps_pd(_mm_loadu_ps(from));
}
inline Full<double> doubles(const BFloat16* from) {
  __m128i wide = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i*)from));
  return (Full<double>)_mm256_cvtps_pd((__m128)_mm_slli_epi32(wide, 16));
}
inline Full<float> floats(const BFloat16* from) {
  return (Full<float>)_mm256_slli_epi32(
      _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)from)), 16);
}
#else
inline Full<double> doubles(const float* from) { return Full<double>{from[0], from[1]}; }
inline Full<double> doubles(const BFloat16* from) {
  return Full<double>{to_float(from[0]), to_float(from[1])};
}
inline Full<float> floats(const BFloat16* from) {
  return Full<float>{to_float(from[0]), to_float(from[1]), to_float(from[2]), to_float(from[3])};
}
#endif
inline Full<float> floats(const float* from) { return load<Full<float>>(from); }

// Rounds two registers of double to one of float.
inline Full<float> narrowed(Full<double> first, Full<double> second) {
#if defined(__AVX512F__)
  __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)first));
  return (Full<float>)_mm512_insertf32x8(low, _mm512_cvtpd_ps((__m512d)second), 1);
#elif defined(__AVX2__)
  return (Full<float>)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)second),
                                      _mm256_cvtpd_ps((__m256d)first));
#else
  return Full<float>{float(first[0]), float(first[1]), float(second[0]), float(second[1])};
#endif
}

// Writes a register of T, past the cache if `stream` (then the address must be aligned).
inline void store_or_stream(double* out, Full<double> value, bool stream) {
#if defined(__AVX512F__)
  if (stream) return _mm512_stream_pd(out, (__m512d)value);
#elif defined(__AVX2__)
  if (stream) return _mm256_stream_pd(out, (__m256d)value);
#endif
  (void)stream;
  store(out, value);
}
inline void store_or_stream(float* out, Full<float> value, bool stream) {
#if defined(__AVX512F__)
  if (stream) return _mm512_stream_ps(out, (__m512)value);
#elif defined(__AVX2__)
  if (stream) return _mm256_stream_ps(out, (__m256)value);
#endif
  (void)stream;
  store(out, value);
}

}  // namespace
}  // namespace evenly
