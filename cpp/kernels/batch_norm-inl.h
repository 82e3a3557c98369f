// The loops of batch normalization: two sums per channel, and an affine map of every value.
//
// Both directions use the same two loops. Forward sums d and d*d with d = x - center, then writes
// (x - high) * slope + shift. Backward sums g and g*d with the gradient g, then writes (g + ((x -
// high) * slope + shift)) * gain. Sums are float64; the map is computed in float32 for float32 and
// the 16-bit types, in which x - high is rounded at most once (not at all if x is within a factor
// of two of high: Sterbenz 1974).
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/rounding.h"
#include "batch_norm/kernel_table.h"
#include "kernels/channel-inl.h"
#include "kernels/simd.h"
#include "kernels/tile.h"

namespace evenly {
namespace {
namespace batch {

using evenly::fused;

// A vector: as many values as a register holds floats.
constexpr int kVectorValues = kVectorBytes / 4;
static_assert(kVectorValues <= kMaxVectorValues);

// Values that do not fill a vector are read as the last full vector of the run; the values that
// belong to the vector before are masked to 0.
class TailMask {
 public:
  explicit TailMask(int64_t count) {
    for (int i = 0; i < kVectorValues; ++i) {
      wide_[i] = i >= kVectorValues - count % kVectorValues ? -1 : 0;
      narrow_[i] = int32_t(wide_[i]);
    }
  }
  Full<double> keep(Full<double> x, int from) const {
    return (Full<double>)((Full<int64_t>)x & load<Full<int64_t>>(wide_ + from));
  }
  Full<float> keep(Full<float> x) const {
    return (Full<float>)((Full<int32_t>)x & load<Full<int32_t>>(narrow_));
  }

 private:
  alignas(64) int64_t wide_[kVectorValues];
  alignas(64) int32_t narrow_[kVectorValues];
};

#if defined(__AVX2__)
// Two vectors of bfloat16 in one register, split into even and odd elements: widening is a shift
// and a mask, and so is narrowing. With AVX-512 this takes 17 operations instead of 24.
constexpr int64_t kPair = 2 * kVectorValues;

struct EvenOddPair {
  Full<float> part[2];
};
inline EvenOddPair load_even_odd(const BFloat16* from) {
  const auto both = load<Full<uint32_t>>(from);
  return {{(Full<float>)(both << 16), (Full<float>)(both & 0xffff0000)}};
}
#endif

// ---- Sums --------------------------------------------------------------------------------

// The sums of one vector in float64.
class WideSums {
 public:
  using Center = std::array<Full<double>, 2>;
  static Center centers(const double* from) {
    return {load<Full<double>>(from), load<Full<double>>(from + kVectorValues / 2)};
  }
  static Center center(double x) { return {splat<Full<double>>(x), splat<Full<double>>(x)}; }

  template <bool kGradient, bool kTail, class T>
  void accumulate(const T* x, const T* gradient, const Center& center, const TailMask& tail) {
    for (int i = 0; i < 2; ++i) {
      Full<double> d = doubles(x + i * kVectorValues / 2) - center[std::size_t(i)];
      Full<double> first = d;
      if constexpr (kGradient) first = doubles(gradient + i * kVectorValues / 2);
      if constexpr (kTail) first = tail.keep(first, i * kVectorValues / 2);
      sum_[i] += first;
      product_[i] = fused(first, d, product_[i]);
    }
  }
  void operator+=(const WideSums& other) {
    for (int i = 0; i < 2; ++i) sum_[i] += other.sum_[i], product_[i] += other.product_[i];
  }
  void add_to(double* sum, double* product) const {
    for (int i = 0; i < 2; ++i) {
      double *s = sum + i * kVectorValues / 2, *p = product + i * kVectorValues / 2;
      store(s, load<Full<double>>(s) + sum_[i]);
      store(p, load<Full<double>>(p) + product_[i]);
    }
  }

 private:
  Full<double> sum_[2] = {}, product_[2] = {};
};

// The same in float32: three times as fast, and accurate enough for a few values per lane if the
// center is close to them (BatchPass checks that afterwards).
class NarrowSums {
 public:
  using Center = Full<float>;
  static Center centers(const double* from) {
    return narrowed(load<Full<double>>(from), load<Full<double>>(from + kVectorValues / 2));
  }
  static Center center(double x) { return splat<Full<float>>(float(x)); }

  template <bool kGradient, bool kTail, class T>
  void accumulate(const T* x, const T* gradient, Full<float> center, const TailMask& tail) {
    Full<float> d = floats(x) - center;
    Full<float> first = d;
    if constexpr (kGradient) first = floats(gradient);
    if constexpr (kTail) first = tail.keep(first);
    accumulate(first, d);
  }
  void accumulate(Full<float> first, Full<float> d) {
    sum_ += first;
    product_ = fused(first, d, product_);
  }
  void operator+=(const NarrowSums& other) {
    sum_ += other.sum_;
    product_ += other.product_;
  }
  void add_to(double* sum, double* product) const {
    add(sum_, sum);
    add(product_, product);
  }

 private:
  static void add(Full<float> x, double* to) {
    alignas(64) float values[kVectorValues];
    store(values, x);
    for (int i = 0; i < kVectorValues; i += kVectorValues / 2)
      store(to + i, load<Full<double>>(to + i) + doubles(values + i));
  }

  Full<float> sum_{}, product_{};
};

// The number of vectors that are summed before the sums are added in float64: at most this many per
// lane, in two independent sums (an addition has a latency of four cycles).
constexpr int64_t kNarrowSumLength = 16;
constexpr int64_t kMaxStreams = 8;  // of memory, which the hardware prefetcher can follow

// Adds two vectors of a channel to separate sums. It does not matter which value goes into which
// sum, so bfloat16 values stay split into even and odd ones.
template <bool kGradient, class S, class T>
inline void accumulate_pair(S& even, S& odd, const T* x, const T* gradient,
                            const typename S::Center& middle, const TailMask& tail) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<S, NarrowSums> && std::is_same_v<T, BFloat16>) {
    const EvenOddPair values = load_even_odd(x), gradients = load_even_odd(gradient);
    const Full<float> first = values.part[0] - middle, second = values.part[1] - middle;
    even.accumulate(kGradient ? gradients.part[0] : first, first);
    odd.accumulate(kGradient ? gradients.part[1] : second, second);
    return;
  }
#endif
  even.template accumulate<kGradient, false>(x, gradient, middle, tail);
  odd.template accumulate<kGradient, false>(x + kVectorValues, gradient + kVectorValues, middle,
                                            tail);
}

// Sums the runs of each channel, those of several samples at once if they are short.
template <class S, class T, bool kGradient>
void sum_runs_by(const T* x, const T* gradient, const Runs& runs, const double* center,
                 LaneSums* sums) {
  const TailMask tail(runs.length);
  const int64_t whole = runs.length / kVectorValues * kVectorValues;
  const int64_t block = 2 * kNarrowSumLength * kVectorValues;
  const int64_t together =
      std::clamp<int64_t>(block / (runs.length + kVectorValues), 1, kMaxStreams);
  for (int64_t first = 0; first < runs.outer; first += together) {
    const int64_t last = std::min(first + together, runs.outer);
    for (int64_t c = 0; c < runs.channels; ++c) {
      const auto middle = S::center(center[c]);
      S even, odd;
      auto flush = [&] {
        even += odd;
        even.add_to(sums[c].sum, sums[c].product);
        even = odd = S();
      };
      for (int64_t n = first; n < last; ++n) {
        const T* own = x + n * runs.outer_step + c * runs.channel_step;
        const T* own_gradient = gradient + (own - x);
        int64_t i = 0;
        for (; i + block < whole; flush()) {
          for (const int64_t end = i + block; i < end; i += 2 * kVectorValues)
            accumulate_pair<kGradient>(even, odd, own + i, own_gradient + i, middle, tail);
        }
        for (; i + 2 * kVectorValues <= whole; i += 2 * kVectorValues)
          accumulate_pair<kGradient>(even, odd, own + i, own_gradient + i, middle, tail);
        if (i < whole)
          even.template accumulate<kGradient, false>(own + i, own_gradient + i, middle, tail);
        if (whole != runs.length) {
          i = runs.length - kVectorValues;
          odd.template accumulate<kGradient, true>(own + i, own_gradient + i, middle, tail);
        }
      }
      flush();
    }
  }
}

// The next rows in memory order, which are fetched while some rows are summed. The hardware follows
// these addresses instead of the jumps from row to row (the sums of 16,384 rows of 512 bfloat16:
// 1.72 -> 0.79 ms on a Zen 3).
class RowPrefetch {
 public:
  template <class T>
  RowPrefetch(const T* rows, int64_t stride, int64_t width)
      : from_(reinterpret_cast<const char*>(rows)),
        lines_in_row_((width * int64_t(sizeof(T)) + kLineBytes - 1) / kLineBytes),
        to_next_row_(stride * int64_t(sizeof(T)) - lines_in_row_ * kLineBytes) {}
  void fetch(int bytes) {
    for (; bytes > 0; bytes -= kLineBytes) {
      __builtin_prefetch(from_, 0, 2);
      from_ += kLineBytes;
      if (++line_ == lines_in_row_) {
        line_ = 0;
        from_ += to_next_row_;
      }
    }
  }

 private:
  static constexpr int kLineBytes = 64;
  const char* from_;
  int64_t lines_in_row_, to_next_row_, line_ = 0;
};
// Longer rows are separate pages, in each of which the hardware fetches ahead (8192 rows of 512
// float64 and their gradients: 3.7 ms with prefetching, 3.1 without).
constexpr int64_t kPrefetchedRowBytes = 4 << 10;

// Sums columns: some rows at a time, each from its first to its last column, which is nearly the
// order of memory. The sums of all columns stay in the L1 cache meanwhile. (In registers they would
// have to be summed column by column, with jumps from row to row: 1024 rows of 1024 float32 and
// their gradients in 0.32 instead of 0.20 ms.)
template <class S, class T, bool kGradient, bool kPrefetch>
class ColumnSums {
 public:
  static constexpr int64_t kMaxColumns = 1024;  // of float32, their sums and centers take 12 KB

  ColumnSums(int64_t stride, int64_t width, const double* center)
      : stride_(stride), width_(width), tail_(width) {
    each_vector([&](int64_t j, auto) { center_[index(j)] = S::centers(center + j); });
  }

  // Adds the sums of `times` * kRows rows, each computed by S.
  template <int kRows>
  void add_rows(const T* x, const T* gradient, int times, double* sum, double* product) {
    constexpr std::true_type kYes;
    constexpr std::false_type kNo;
    if (times == 1) return sweep<kRows>(kYes, kYes, x, gradient, sum, product);
    for (int i = 0; i < times; ++i, x += kRows * stride_, gradient += kRows * stride_) {
      if (i == 0) {
        sweep<kRows>(kYes, kNo, x, gradient, sum, product);
      } else if (i + 1 < times) {
        sweep<kRows>(kNo, kNo, x, gradient, sum, product);
      } else {
        sweep<kRows>(kNo, kYes, x, gradient, sum, product);
      }
    }
  }

 private:
  // Calls f(column, whether the vector overlaps the one before) for each vector of a row.
  template <class F>
  void each_vector(F&& f) const {
    int64_t j = 0;
    for (; j + kVectorValues <= width_; j += kVectorValues) f(j, std::false_type());
    if (j != width_) f(width_ - kVectorValues, std::true_type());
  }
  static int64_t index(int64_t column) { return (column + kVectorValues - 1) / kVectorValues; }

  template <int kRows, class First, class Last>
  void sweep(First first, Last last, const T* x, const T* gradient, double* sum, double* product) {
    constexpr int kBytes = kRows * kVectorValues * int(sizeof(T));
    RowPrefetch next(x + kRows * stride_, stride_, width_),
        next_gradient(gradient + kRows * stride_, stride_, width_);
    each_vector([&, stride = stride_](int64_t j, auto with_tail) {
      if constexpr (kPrefetch) next.fetch(kBytes);
      if constexpr (kPrefetch && kGradient) next_gradient.fetch(kBytes);
      S own;
      if constexpr (!first) own = partial_[index(j)];
      for (int row = 0; row < kRows; ++row) {
        const int64_t at = row * stride + j;
        own.template accumulate<kGradient, with_tail>(x + at, gradient + at, center_[index(j)],
                                                      tail_);
      }
      if constexpr (last) {
        own.add_to(sum + j, product + j);
      } else {
        partial_[index(j)] = own;
      }
    });
  }

  // The last vector may overlap the one before, and a last strip may be longer by a vector.
  static constexpr int64_t kMaxVectors = kMaxColumns / kVectorValues + 2;
  const int64_t stride_, width_;
  const TailMask tail_;
  typename S::Center center_[kMaxVectors];
  S partial_[kMaxVectors];
};

template <class S, class T, bool kGradient, bool kPrefetch>
void sum_strip(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
               const double* center, double* sum, double* product) {
  constexpr int kRows = 4;  // share the loads and stores of their sums
  constexpr int kTimes = (kGradient ? kNarrowSumLength / 2 : kNarrowSumLength) / kRows;
  ColumnSums<S, T, kGradient, kPrefetch> columns(stride, width, center);
  for (; rows >= kTimes * kRows; rows -= kTimes * kRows) {
    columns.template add_rows<kRows>(x, gradient, kTimes, sum, product);
    x += kTimes * kRows * stride;
    gradient += kTimes * kRows * stride;
  }
  for (; rows > 0; --rows, x += stride, gradient += stride)
    columns.template add_rows<1>(x, gradient, 1, sum, product);
}

template <class S, class T, bool kGradient, bool kPrefetch>
void sum_rows_by(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
                 const double* center, double* sum, double* product) {
  constexpr int64_t kMost = ColumnSums<S, T, kGradient, kPrefetch>::kMaxColumns;
  for (int64_t from = 0, to; from < width; from = to) {
    to = width - from < kMost + kVectorValues ? width : from + kMost;
    sum_strip<S, T, kGradient, kPrefetch>(x + from, gradient + from, rows, stride, to - from,
                                          center + from, sum + from, product + from);
  }
}

// ---- The affine map ----------------------------------------------------------------------

inline Full<double> values(const double* from) { return load<Full<double>>(from); }
template <class T>
inline Full<float> values(const T* from) {
  return floats(from);
}

inline void store_as(double* to, Full<double> x, bool stream) { store_or_stream(to, x, stream); }
inline void store_as(float* to, Full<float> x, bool stream) { store_or_stream(to, x, stream); }
#if defined(__AVX512F__)
inline void store_as(void* to, __m256i halves, bool stream) {
  if (stream) return _mm256_stream_si256((__m256i*)to, halves);
  _mm256_storeu_si256((__m256i*)to, halves);
}
#elif defined(__AVX2__)
inline void store_as(void* to, __m128i halves, bool stream) {
  if (stream) return _mm_stream_si128((__m128i*)to, halves);
  _mm_storeu_si128((__m128i*)to, halves);
}
#endif
inline void store_as(Float16* to, Full<float> x, bool stream) {
#if defined(__AVX512F__)
  store_as((void*)to, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT), stream);
#elif defined(__AVX2__)
  store_as((void*)to, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT), stream);
#else
  (void)stream;
  for (int i = 0; i < kVectorValues; ++i) round_to(double(x[i]), to[i]);
#endif
}
// Rounds to nearest even: adds half of the last place, minus one if the last place is even. A NaN
// stays a NaN: the low bits of the values and of the maps' NaN are 0, so that nothing carries.
inline Full<uint32_t> rounded_bits(Full<float> x) {
  auto bits = (Full<uint32_t>)x;
#if defined(__AVX512F__)
  __mmask16 odd = _mm512_test_epi32_mask((__m512i)bits, _mm512_set1_epi32(0x10000));
  __m512i half = (__m512i)(bits + 0x7fff);
  return (Full<uint32_t>)_mm512_mask_add_epi32(half, odd, half, _mm512_set1_epi32(1));
#else
  return bits + 0x7fff + ((bits >> 16) & 1);
#endif
}
inline void store_as(BFloat16* to, Full<float> x, bool stream) {
  const Full<uint32_t> rounded = rounded_bits(x) >> 16;
#if defined(__AVX512F__)
  store_as((void*)to, _mm512_cvtepi32_epi16((__m512i)rounded), stream);
#elif defined(__AVX2__)
  __m256i packed = _mm256_packus_epi32((__m256i)rounded, (__m256i)rounded);
  store_as((void*)to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000)), stream);
#else
  (void)stream;
  for (int i = 0; i < kVectorValues; ++i) to[i].bits = uint16_t(rounded[i]);
#endif
}

template <class T>
using MapVector = Full<ComputeType<T>>;
template <class T>
constexpr int kMapStep = kVectorBytes / int(sizeof(ComputeType<T>));

template <class T, bool kGradient>
inline void map_vector(const T* x, const T* gradient, T* out, MapVector<T> high, MapVector<T> slope,
                       MapVector<T> shift, MapVector<T> gain, bool stream) {
  MapVector<T> y = fused(values(x) - high, slope, shift);
  if constexpr (kGradient) y = (values(gradient) + y) * gain;
  store_as(out, y, stream);
}

#if defined(__AVX2__)
// Merges two vectors of which only the upper halves count.
inline Full<float> merge_even_odd(Full<uint32_t> even, Full<uint32_t> odd) {
#if defined(__AVX512F__)
  // (odd & 0xffff0000) | (even >> 16)
  return (Full<float>)_mm512_ternarylogic_epi32((__m512i)odd, _mm512_set1_epi32(int(0xffff0000)),
                                                (__m512i)(even >> 16), 0xea);
#else
  return (Full<float>)_mm256_blend_epi16((__m256i)(even >> 16), (__m256i)odd, 0b10101010);
#endif
}

inline EvenOddPair splat_pair(Full<float> value) { return {{value, value}}; }

template <bool kGradient>
inline void map_pair(const BFloat16* x, const BFloat16* gradient, BFloat16* out,
                     const EvenOddPair& high, const EvenOddPair& slope, const EvenOddPair& shift,
                     const EvenOddPair& gain, bool stream) {
  const EvenOddPair values = load_even_odd(x), gradients = load_even_odd(gradient);
  Full<uint32_t> rounded[2];
  for (int i = 0; i < 2; ++i) {
    Full<float> y = fused(values.part[i] - high.part[i], slope.part[i], shift.part[i]);
    if constexpr (kGradient) y = (gradients.part[i] + y) * gain.part[i];
    rounded[i] = rounded_bits(y);
  }
  store_or_stream(reinterpret_cast<float*>(out), merge_even_odd(rounded[0], rounded[1]), stream);
}

// The maps of columns in pairs of vectors, split into even and odd columns.
constexpr int64_t kMaxPairedColumns = 2112;

class PairedAffine {
 public:
  PairedAffine(const Affine<BFloat16>& map, int64_t columns) {
    const float* from[4] = {map.high, map.slope, map.shift, map.gain};
    for (int i = 0; i < 4; ++i) {
      for (int64_t j = 0; j < columns; j += kPair) {
        Full<float> first = load<Full<float>>(from[i] + j),
                    second = load<Full<float>>(from[i] + j + kVectorValues);
        store(part_[i] + j, every_second<0>(first, second));
        store(part_[i] + j + kVectorValues, every_second<1>(first, second));
      }
    }
  }
  EvenOddPair high(int64_t j) const { return at(0, j); }
  EvenOddPair slope(int64_t j) const { return at(1, j); }
  EvenOddPair shift(int64_t j) const { return at(2, j); }
  EvenOddPair gain(int64_t j) const { return at(3, j); }

 private:
  EvenOddPair at(int i, int64_t j) const {
    return {{load<Full<float>>(part_[i] + j), load<Full<float>>(part_[i] + j + kVectorValues)}};
  }

  alignas(64) float part_[4][kMaxPairedColumns];
};
#endif

// The part of a run that is written past the cache: whole cache lines that no other vector touches,
// because a line that is written both ways is far more expensive.
struct CacheLines {
  int64_t begin, end;
};
template <class T>
inline CacheLines cache_lines_within(const T* out, int64_t begin, int64_t end) {
  constexpr int64_t kBytes = sizeof(T), kLineBytes = 64, kStepBytes = kMapStep<T> * kBytes;
  const auto address = reinterpret_cast<intptr_t>(out);
  // A vector that does not start or end at a vector boundary extends into the next vector.
  intptr_t first = address + begin * kBytes, last = address + end * kBytes;
  if (first % kStepBytes != 0) first += kStepBytes;
  if (last % kStepBytes != 0) last -= kStepBytes;
  first = (first + kLineBytes - 1) / kLineBytes * kLineBytes;
  last = last / kLineBytes * kLineBytes;
  return {(first - address) / kBytes, (last - address) / kBytes};
}

template <class T, bool kGradient>
void map_runs_of(const T* x, const T* gradient, T* out, const Runs& runs, const Affine<T>& map) {
  constexpr int kStep = kMapStep<T>;
  for (int64_t n = 0; n < runs.outer; ++n) {
    for (int64_t c = 0; c < runs.channels; ++c) {
      const int64_t at = n * runs.outer_step + c * runs.channel_step;
      const MapVector<T> high = splat<MapVector<T>>(map.high[c]),
                         slope = splat<MapVector<T>>(map.slope[c]),
                         shift = splat<MapVector<T>>(map.shift[c]);
      const MapVector<T> gain = kGradient ? splat<MapVector<T>>(map.gain[c]) : high;
      int64_t i = at;
      const int64_t end = at + runs.length;
      auto one = [&](int64_t from, bool stream) {
        map_vector<T, kGradient>(x + from, gradient + from, out + from, high, slope, shift, gain,
                                 stream);
      };
      auto vectors = [&](int64_t to, bool stream) {
#if defined(__AVX2__)
        if constexpr (std::is_same_v<T, BFloat16>) {
          if (reinterpret_cast<uintptr_t>(out + i) % kVectorBytes != 0 && i + kStep <= to) {
            one(i, false);
            i += kStep;
          }
          for (; i + kPair <= to; i += kPair) {
            map_pair<kGradient>(x + i, gradient + i, out + i, splat_pair(high), splat_pair(slope),
                                splat_pair(shift), splat_pair(gain), stream);
          }
        }
#endif
        for (; i + kStep <= to; i += kStep) one(i, stream);
      };
      const int64_t bytes = kStep * int64_t(sizeof(T));
      const int64_t off = reinterpret_cast<uintptr_t>(out + i) % bytes;
      if (off != 0) {  // the first vector extends to where aligned stores start
        one(i, false);
        i += (bytes - off) / int64_t(sizeof(T));
      }
      if (map.stream) {
        const CacheLines lines = cache_lines_within(out, at, end);
        if (lines.begin < lines.end) {
          vectors(lines.begin, false);
          vectors(lines.end, true);
        }
      }
      vectors(end, false);
      if (i != end) one(end - kStep, false);
    }
  }
}

// The number of rows that share the loads of their columns' maps (128 rows of 1 KB on a Zen 3: 6 ->
// 4 us). Longer rows are mapped one by one, because values a multiple of a page apart compete for
// the same cache sets; so are shorter ones that are not cached, because writing in memory order is
// twice as fast (gradients of 6272 rows of 1 KB: 0.71 -> 0.36 ms).
constexpr int kMapRows = 4;
constexpr int64_t kLongRowBytes = 2 << 10, kLongUncachedRowBytes = 512;

// Maps columns [begin, width) of a block of rows.
template <class T, bool kGradient, int kRows>
inline void map_row_block(const T* x, const T* gradient, T* out, int64_t stride, int64_t begin,
                          int64_t width, const Affine<T>& map) {
  // A copy: as far as the compiler knows, an output could overlap the original, whose pointers it
  // would load again for each vector (512 rows of 512 float32: 54 instead of 41 us).
  const Affine<T> own = map;
  auto columns = [&](int64_t j, bool stream) {
    const MapVector<T> high = load<MapVector<T>>(own.high + j),
                       slope = load<MapVector<T>>(own.slope + j),
                       shift = load<MapVector<T>>(own.shift + j);
    const MapVector<T> gain = kGradient ? load<MapVector<T>>(own.gain + j) : high;
    for (int row = 0; row < kRows; ++row) {
      const int64_t at = row * stride + j;
      map_vector<T, kGradient>(x + at, gradient + at, out + at, high, slope, shift, gain, stream);
    }
  };
  int64_t j = begin;
  if (own.stream) {
    for (; j + kMapStep<T> <= width; j += kMapStep<T>) columns(j, true);
  } else {
    for (; j + kMapStep<T> <= width; j += kMapStep<T>) columns(j, false);
  }
  if (j != width) columns(width - kMapStep<T>, false);
}

#if defined(__AVX2__)
// Maps columns [0, width), in whole pairs.
template <bool kGradient, int kRows>
inline void map_pair_block(const BFloat16* x, const BFloat16* gradient, BFloat16* out,
                           int64_t stride, int64_t width, const PairedAffine& map, bool stream) {
  for (int64_t j = 0; j < width; j += kPair) {
    const EvenOddPair high = map.high(j), slope = map.slope(j), shift = map.shift(j);
    const EvenOddPair gain = kGradient ? map.gain(j) : high;
    for (int row = 0; row < kRows; ++row) {
      const int64_t at = row * stride + j;
      map_pair<kGradient>(x + at, gradient + at, out + at, high, slope, shift, gain, stream);
    }
  }
}
#endif

// Calls block(first row, number of rows as a type) for all rows, in blocks of rows that are mapped
// together.
template <class T, bool kGradient, class Block>
inline void for_each_row_block(int64_t rows, int64_t stride, bool uncached, Block&& block) {
  constexpr int kRows = kGradient ? kMapRows / 2 : kMapRows;
  const bool together =
      stride * int64_t(sizeof(T)) < (uncached ? kLongUncachedRowBytes : kLongRowBytes);
  int64_t row = 0;
  for (; together && row + kRows <= rows; row += kRows)
    block(row, std::integral_constant<int, kRows>());
  for (; row < rows; ++row) block(row, std::integral_constant<int, 1>());
}

template <class T, bool kGradient>
void map_rows_of(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride, int64_t width,
                 const Affine<T>& map) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (rows >= kMapRows && width >= kPair && width <= kMaxPairedColumns) {
      const int64_t whole = width / kPair * kPair;
      const PairedAffine pairs(map, whole);
      return for_each_row_block<T, kGradient>(
          rows, stride, map.uncached, [&](int64_t row, auto many) {
            const int64_t at = row * stride;
            map_pair_block<kGradient, many()>(x + at, gradient + at, out + at, stride, whole, pairs,
                                              map.stream);
            if (whole != width)
              map_row_block<T, kGradient, many()>(x + at, gradient + at, out + at, stride, whole,
                                                  width, map);
          });
    }
  }
#endif
  for_each_row_block<T, kGradient>(rows, stride, map.uncached, [&](int64_t row, auto many) {
    const int64_t at = row * stride;
    map_row_block<T, kGradient, many()>(x + at, gradient + at, out + at, stride, 0, width, map);
  });
}

// ---- The table ---------------------------------------------------------------------------

template <class T>
void sum_runs(const T* x, const T* gradient, const Runs& runs, const double* center, LaneSums* sums,
              bool wide) {
  using Narrow = std::conditional_t<std::is_same_v<T, double>, WideSums, NarrowSums>;
  auto by = [&]<class S>(S) {
    if (gradient) return sum_runs_by<S, T, true>(x, gradient, runs, center, sums);
    sum_runs_by<S, T, false>(x, x, runs, center, sums);
  };
  wide ? by(WideSums()) : by(Narrow());
}
template <class T>
void sum_rows(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
              bool uncached, const double* center, double* sum, double* product, bool wide) {
  using Narrow = std::conditional_t<std::is_same_v<T, double>, WideSums, NarrowSums>;
  auto by = [&]<class S, class Prefetched>(S, Prefetched prefetched) {
    if (gradient)
      return sum_rows_by<S, T, true, prefetched>(x, gradient, rows, stride, width, center, sum,
                                                 product);
    sum_rows_by<S, T, false, prefetched>(x, x, rows, stride, width, center, sum, product);
  };
  if (wide) return by(WideSums(), std::false_type());
  const bool prefetched = uncached && stride * int64_t(sizeof(T)) < kPrefetchedRowBytes;
  prefetched ? by(Narrow(), std::true_type()) : by(Narrow(), std::false_type());
}
template <class T>
void map_runs(const T* x, const T* gradient, T* out, const Runs& runs, const Affine<T>& map) {
  if (gradient) return map_runs_of<T, true>(x, gradient, out, runs, map);
  map_runs_of<T, false>(x, x, out, runs, map);
}
template <class T>
void map_rows(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride, int64_t width,
              const Affine<T>& map) {
  if (gradient) return map_rows_of<T, true>(x, gradient, out, rows, stride, width, map);
  map_rows_of<T, false>(x, x, out, rows, stride, width, map);
}

}  // namespace batch

template <class T>
constexpr BatchKernels<T> make_batch_kernels() {
  return {batch::kVectorValues,
          batch::sum_runs<T>,
          batch::sum_rows<T>,
          batch::map_runs<T>,
          batch::map_rows<T>,
          channel::forward_map<ComputeType<T>>,
          channel::backward_map<ComputeType<T>>};
}

}  // namespace
}  // namespace evenly
