// The loops of batch normalisation: two sums a channel, and an affine map of every value.
//
// Both directions have the same two loops. Forward sums d and d*d of d = x - center, then writes
// (x - high) * slope + shift. Backward sums g and g*d of the gradient g, then writes
// (g + ((x - high) * slope + shift)) * gain. Sums are float64; the map is computed in float32 for
// float32 and shorter types, in which x - high has at most one rounding (none when x is within a
// factor of two of high: Sterbenz 1974).
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/rounding.h"
#include "batch_norm/kernel_table.h"
#include "kernels/channel-inl.h"
#include "kernels/scale-inl.h"
#include "kernels/simd.h"
#include "kernels/tile.h"

namespace evenly {
namespace {
namespace batch {

using evenly::fused;

// A unit: as many values as a register holds floats.
constexpr int kUnit = kVectorBytes / 4;
static_assert(kUnit <= kMaxUnit);

// Values that do not fill a unit are read as the last unit that ends with them; what it holds
// of the unit before counts as 0.
class Rest {
 public:
  explicit Rest(int64_t count) {
    for (int i = 0; i < kUnit; ++i) {
      wide_[i] = i >= kUnit - count % kUnit ? -1 : 0;
      narrow_[i] = int32_t(wide_[i]);
    }
  }
  Full<double> only(Full<double> x, int from) const {
    return (Full<double>)((Full<int64_t>)x & load<Full<int64_t>>(wide_ + from));
  }
  Full<float> only(Full<float> x) const {
    return (Full<float>)((Full<int32_t>)x & load<Full<int32_t>>(narrow_));
  }

 private:
  alignas(64) int64_t wide_[kUnit];
  alignas(64) int32_t narrow_[kUnit];
};

#if defined(__AVX2__)
// Two vectors of bfloat16 as they lie in one register, those of even and of odd places apart: to
// widen, shift and mask; to narrow, the same. With AVX-512, 17 operations instead of 24.
constexpr int64_t kPair = 2 * kUnit;

struct EvenAndOdd {
  Full<float> part[2];
};
inline EvenAndOdd even_and_odd(const Brain* from) {
  const auto both = load<Full<uint32_t>>(from);
  return {{(Full<float>)(both << 16), (Full<float>)(both & 0xffff0000)}};
}
#endif

// ---- Sums --------------------------------------------------------------------------------

// A unit's sums in float64.
class WideSums {
 public:
  using Center = std::array<Full<double>, 2>;
  static Center centers(const double* from) {
    return {load<Full<double>>(from), load<Full<double>>(from + kUnit / 2)};
  }
  static Center center(double x) { return {splat<Full<double>>(x), splat<Full<double>>(x)}; }

  template <bool kGradient, bool kRest, class T>
  void take(const T* x, const T* gradient, const Center& center, const Rest& rest) {
    for (int i = 0; i < 2; ++i) {
      Full<double> d = doubles(x + i * kUnit / 2) - center[std::size_t(i)];
      Full<double> first = d;
      if constexpr (kGradient) first = doubles(gradient + i * kUnit / 2);
      if constexpr (kRest) first = rest.only(first, i * kUnit / 2);
      sum_[i] += first;
      product_[i] = fused(first, d, product_[i]);
    }
  }
  void operator+=(const WideSums& other) {
    for (int i = 0; i < 2; ++i) sum_[i] += other.sum_[i], product_[i] += other.product_[i];
  }
  void add_to(double* sum, double* product) const {
    for (int i = 0; i < 2; ++i) {
      double *s = sum + i * kUnit / 2, *p = product + i * kUnit / 2;
      store(s, load<Full<double>>(s) + sum_[i]);
      store(p, load<Full<double>>(p) + product_[i]);
    }
  }

 private:
  Full<double> sum_[2] = {}, product_[2] = {};
};

// The same in float32: three times as fast, and good enough for a few values a lane, when the
// center is not far from them (Sweep judges that afterwards).
class NarrowSums {
 public:
  using Center = Full<float>;
  static Center centers(const double* from) {
    return narrowed(load<Full<double>>(from), load<Full<double>>(from + kUnit / 2));
  }
  static Center center(double x) { return splat<Full<float>>(float(x)); }

  template <bool kGradient, bool kRest, class T>
  void take(const T* x, const T* gradient, Full<float> center, const Rest& rest) {
    Full<float> d = floats(x) - center;
    Full<float> first = d;
    if constexpr (kGradient) first = floats(gradient);
    if constexpr (kRest) first = rest.only(first);
    take(first, d);
  }
  void take(Full<float> first, Full<float> d) {
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
    alignas(64) float values[kUnit];
    store(values, x);
    for (int i = 0; i < kUnit; i += kUnit / 2)
      store(to + i, load<Full<double>>(to + i) + doubles(values + i));
  }

  Full<float> sum_{}, product_{};
};

// Units that are summed before the sums go over into float64: at most so many in each lane of
// two sums side by side (an addition waits four cycles for the one before it).
constexpr int64_t kInARow = 16;
// Columns of that many units are summed beside each other: those of a cache line; with AVX2 four of
// float32's sums, which fill twelve of sixteen registers with their centers.
template <class S, class T>
constexpr int kUnitsBeside = std::max(kVectorBytes == 32 && std::is_same_v<S, NarrowSums> ? 4 : 1,
                                      64 / (kUnit * int(sizeof(T))));
constexpr int64_t kMostStreams = 8;  // of memory, that the processor fetches ahead

// Two units of a channel, into sums of their own. Which value goes into which is all the same, so
// those of bfloat16 stay as they come apart.
template <bool kGradient, class S, class T>
inline void take_two(S& even, S& odd, const T* x, const T* gradient,
                     const typename S::Center& middle, const Rest& rest) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<S, NarrowSums> && std::is_same_v<T, Brain>) {
    const EvenAndOdd values = even_and_odd(x), gradients = even_and_odd(gradient);
    const Full<float> first = values.part[0] - middle, second = values.part[1] - middle;
    even.take(kGradient ? gradients.part[0] : first, first);
    odd.take(kGradient ? gradients.part[1] : second, second);
    return;
  }
#endif
  even.template take<kGradient, false>(x, gradient, middle, rest);
  odd.template take<kGradient, false>(x + kUnit, gradient + kUnit, middle, rest);
}

// A few samples' runs of a channel at once where they are short.
template <class S, class T, bool kGradient>
void sum_runs_by(const T* x, const T* gradient, const Runs& runs, const double* center,
                 LaneSums* sums) {
  const Rest rest(runs.length);
  const int64_t whole = runs.length / kUnit * kUnit;
  const int64_t block = 2 * kInARow * kUnit;
  const int64_t together = std::clamp<int64_t>(block / (runs.length + kUnit), 1, kMostStreams);
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
          for (const int64_t end = i + block; i < end; i += 2 * kUnit)
            take_two<kGradient>(even, odd, own + i, own_gradient + i, middle, rest);
        }
        for (; i + 2 * kUnit <= whole; i += 2 * kUnit)
          take_two<kGradient>(even, odd, own + i, own_gradient + i, middle, rest);
        if (i < whole)
          even.template take<kGradient, false>(own + i, own_gradient + i, middle, rest);
        if (whole != runs.length) {
          i = runs.length - kUnit;
          odd.template take<kGradient, true>(own + i, own_gradient + i, middle, rest);
        }
      }
      flush();
    }
  }
}

// Some units beside each other: none of their additions waits for another unit's.
template <class S, class T, bool kGradient, int kRows, int kUnits, bool kRest>
inline void sum_columns(const T* x, const T* gradient, int64_t stride, const double* center,
                        double* sum, double* product, const Rest& rest) {
  typename S::Center middle[kUnits];
  S own[kUnits];
  for (int u = 0; u < kUnits; ++u) middle[u] = S::centers(center + u * kUnit);
  for (int row = 0; row < kRows; ++row) {
    const int64_t at = row * stride;
    for (int u = 0; u < kUnits; ++u) {
      own[u].template take<kGradient, kRest>(x + at + u * kUnit, gradient + at + u * kUnit,
                                             middle[u], rest);
    }
  }
  for (int u = 0; u < kUnits; ++u) own[u].add_to(sum + u * kUnit, product + u * kUnit);
}

// The rows after these, in the order in which they lie: the processor's own prefetching follows
// that one, not the jumps from row to row (the sums of 65,536 rows of 64 float32 and their
// gradients: 0.77 -> 0.43 ms). Where a cache has them, fetching takes longer than it saves (1024
// rows of 1024 on one core of a Zen 3: 0.18 ms with, 0.14 without).
struct RowsAhead {
  Ahead pieces;           // of 128 bytes
  int64_t pieces_in_row;  // then the next row begins
  int64_t row_step;       // bytes from the end of one row's pieces to the next row's
  int64_t piece = 0;

  void fetch() {
    pieces.fetch();
    if (++piece == pieces_in_row) {
      piece = 0;
      pieces.from += row_step;
    }
  }
};
template <class T>
RowsAhead after(const T* rows, int64_t count, int64_t stride, int64_t width) {
  const int64_t pieces = (width * int64_t(sizeof(T)) + kTileBytes - 1) / kTileBytes;
  return {{reinterpret_cast<const char*>(rows + count * stride), kTileBytes},
          pieces,
          stride * int64_t(sizeof(T)) - pieces * kTileBytes};
}

template <class S, class T, bool kGradient, int kRows>
inline void sum_few_rows(const T* x, const T* gradient, int64_t stride, int64_t width, bool far,
                         const double* center, double* sum, double* product, const Rest& rest) {
  RowsAhead next = after(x, kRows, stride, width),
            next_gradient = after(gradient, kRows, stride, width);
  int64_t j = 0;
  auto some = [&](auto units, auto with_rest) {
    for (int i = 0; far && i < kRows * units * kUnit * int(sizeof(T)) / kTileBytes; ++i) {
      next.fetch();
      if (kGradient) next_gradient.fetch();
    }
    sum_columns<S, T, kGradient, kRows, units, with_rest>(x + j, gradient + j, stride, center + j,
                                                          sum + j, product + j, rest);
  };
  constexpr std::integral_constant<int, kUnitsBeside<S, T>> kMany;
  constexpr std::integral_constant<int, 1> kOne;
  for (; j + kMany * kUnit <= width; j += kMany * kUnit) some(kMany, std::false_type());
  for (; j + kUnit <= width; j += kUnit) some(kOne, std::false_type());
  if (j == width) return;
  j = width - kUnit;
  some(kOne, std::true_type());
}

template <class S, class T, bool kGradient>
void sum_rows_by(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
                 bool far, const double* center, double* sum, double* product) {
  const Rest rest(width);
  // Each row is a stream of memory, and in the backward direction there are two of each.
  constexpr int64_t kRows = kGradient ? kInARow / 2 : kInARow;
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows)
    sum_few_rows<S, T, kGradient, kRows>(x + row * stride, gradient + row * stride, stride, width,
                                         far, center, sum, product, rest);
  for (; row < rows; ++row)
    sum_few_rows<S, T, kGradient, 1>(x + row * stride, gradient + row * stride, stride, width, far,
                                     center, sum, product, rest);
}

// ---- The affine map ----------------------------------------------------------------------

inline Full<double> values(const double* from) { return load<Full<double>>(from); }
template <class T>
inline Full<float> values(const T* from) {
  return floats(from);
}

inline void put(double* to, Full<double> x, bool stream) { write(to, x, stream); }
inline void put(float* to, Full<float> x, bool stream) { write(to, x, stream); }
#if defined(__AVX512F__)
inline void put(void* to, __m256i halves, bool stream) {
  if (stream) return _mm256_stream_si256((__m256i*)to, halves);
  _mm256_storeu_si256((__m256i*)to, halves);
}
#elif defined(__AVX2__)
inline void put(void* to, __m128i halves, bool stream) {
  if (stream) return _mm_stream_si128((__m128i*)to, halves);
  _mm_storeu_si128((__m128i*)to, halves);
}
#endif
inline void put(Half* to, Full<float> x, bool stream) {
#if defined(__AVX512F__)
  put((void*)to, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT), stream);
#elif defined(__AVX2__)
  put((void*)to, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT), stream);
#else
  (void)stream;
  for (int i = 0; i < kUnit; ++i) round_to(double(x[i]), to[i]);
#endif
}
// To nearest even: half of the last place, less one if that is even, carries upwards. A NaN stays
// one: its low bits are 0, as those of the values and of the maps are, so that nothing carries.
inline Full<uint32_t> carried(Full<float> x) {
  auto bits = (Full<uint32_t>)x;
#if defined(__AVX512F__)
  __mmask16 odd = _mm512_test_epi32_mask((__m512i)bits, _mm512_set1_epi32(0x10000));
  __m512i half = (__m512i)(bits + 0x7fff);
  return (Full<uint32_t>)_mm512_mask_add_epi32(half, odd, half, _mm512_set1_epi32(1));
#else
  return bits + 0x7fff + ((bits >> 16) & 1);
#endif
}
inline void put(Brain* to, Full<float> x, bool stream) {
  const Full<uint32_t> rounded = carried(x) >> 16;
#if defined(__AVX512F__)
  put((void*)to, _mm512_cvtepi32_epi16((__m512i)rounded), stream);
#elif defined(__AVX2__)
  __m256i packed = _mm256_packus_epi32((__m256i)rounded, (__m256i)rounded);
  put((void*)to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000)), stream);
#else
  (void)stream;
  for (int i = 0; i < kUnit; ++i) to[i].bits = uint16_t(rounded[i]);
#endif
}

template <class T>
using Map = Full<Work<T>>;
template <class T>
constexpr int kMapStep = kVectorBytes / int(sizeof(Work<T>));

template <class T, bool kGradient>
inline void map_vector(const T* x, const T* gradient, T* out, Map<T> high, Map<T> slope,
                       Map<T> shift, Map<T> gain, bool stream) {
  Map<T> y = fused(values(x) - high, slope, shift);
  if constexpr (kGradient) y = (values(gradient) + y) * gain;
  put(out, y, stream);
}

#if defined(__AVX2__)
// The two vectors again, of which only the upper halves count.
inline Full<float> joined(Full<uint32_t> even, Full<uint32_t> odd) {
#if defined(__AVX512F__)
  // (odd & 0xffff0000) | (even >> 16)
  return (Full<float>)_mm512_ternarylogic_epi32((__m512i)odd, _mm512_set1_epi32(int(0xffff0000)),
                                                (__m512i)(even >> 16), 0xea);
#else
  return (Full<float>)_mm256_blend_epi16((__m256i)(even >> 16), (__m256i)odd, 0b10101010);
#endif
}

inline EvenAndOdd alike(Full<float> value) { return {{value, value}}; }

template <bool kGradient>
inline void map_pair(const Brain* x, const Brain* gradient, Brain* out, const EvenAndOdd& high,
                     const EvenAndOdd& slope, const EvenAndOdd& shift, const EvenAndOdd& gain,
                     bool stream) {
  const EvenAndOdd values = even_and_odd(x), gradients = even_and_odd(gradient);
  Full<uint32_t> rounded[2];
  for (int i = 0; i < 2; ++i) {
    Full<float> y = fused(values.part[i] - high.part[i], slope.part[i], shift.part[i]);
    if constexpr (kGradient) y = (gradients.part[i] + y) * gain.part[i];
    rounded[i] = carried(y);
  }
  write(reinterpret_cast<float*>(out), joined(rounded[0], rounded[1]), stream);
}

// The maps of columns in pairs of vectors, those of even and of odd places apart.
constexpr int64_t kMostPaired = 2112;  // columns

class PairedMap {
 public:
  PairedMap(const Affine<Brain>& map, int64_t columns) {
    const float* from[4] = {map.high, map.slope, map.shift, map.gain};
    for (int i = 0; i < 4; ++i) {
      for (int64_t j = 0; j < columns; j += kPair) {
        Full<float> first = load<Full<float>>(from[i] + j),
                    second = load<Full<float>>(from[i] + j + kUnit);
        store(part_[i] + j, every_second<0>(first, second));
        store(part_[i] + j + kUnit, every_second<1>(first, second));
      }
    }
  }
  EvenAndOdd high(int64_t j) const { return at(0, j); }
  EvenAndOdd slope(int64_t j) const { return at(1, j); }
  EvenAndOdd shift(int64_t j) const { return at(2, j); }
  EvenAndOdd gain(int64_t j) const { return at(3, j); }

 private:
  EvenAndOdd at(int i, int64_t j) const {
    return {{load<Full<float>>(part_[i] + j), load<Full<float>>(part_[i] + j + kUnit)}};
  }

  alignas(64) float part_[4][kMostPaired];
};
#endif

// The part of a run that is written past the cache: whole lines of it, each of which the vectors
// before and after leave alone, for a line that is written both ways costs far more.
struct Lines {
  int64_t begin, end;
};
template <class T>
inline Lines lines_within(const T* out, int64_t begin, int64_t end) {
  constexpr int64_t kBytes = sizeof(T), kLineBytes = 64, kStepBytes = kMapStep<T> * kBytes;
  const auto address = reinterpret_cast<intptr_t>(out);
  // A vector that does not begin or end where vectors do reaches into the next one's place.
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
      const Map<T> high = splat<Map<T>>(map.high[c]), slope = splat<Map<T>>(map.slope[c]),
                   shift = splat<Map<T>>(map.shift[c]);
      const Map<T> gain = kGradient ? splat<Map<T>>(map.gain[c]) : high;
      int64_t i = at;
      const int64_t end = at + runs.length;
      auto one = [&](int64_t from, bool stream) {
        map_vector<T, kGradient>(x + from, gradient + from, out + from, high, slope, shift, gain,
                                 stream);
      };
      auto vectors = [&](int64_t to, bool stream) {
#if defined(__AVX2__)
        if constexpr (std::is_same_v<T, Brain>) {
          if (reinterpret_cast<uintptr_t>(out + i) % kVectorBytes != 0 && i + kStep <= to) {
            one(i, false);
            i += kStep;
          }
          for (; i + kPair <= to; i += kPair) {
            map_pair<kGradient>(x + i, gradient + i, out + i, alike(high), alike(slope),
                                alike(shift), alike(gain), stream);
          }
        }
#endif
        for (; i + kStep <= to; i += kStep) one(i, stream);
      };
      const int64_t bytes = kStep * int64_t(sizeof(T));
      const int64_t off = reinterpret_cast<uintptr_t>(out + i) % bytes;
      if (off != 0) {  // the first vector reaches up to where stores are aligned
        one(i, false);
        i += (bytes - off) / int64_t(sizeof(T));
      }
      if (map.stream) {
        const Lines lines = lines_within(out, at, end);
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

// Rows that share the loads of their columns' maps (128 rows of 1 KB on a Zen 3: 6 -> 4 us). Longer
// ones are mapped one by one, since a cache has few places for values that lie a multiple of a page
// apart; so are shorter ones that are far, for memory is written in the order in which it lies at
// twice the speed (gradients of 6272 rows of 1 KB: 0.71 -> 0.36 ms).
constexpr int kMapRows = 4;
constexpr int64_t kLongRowBytes = 2 << 10, kLongFarRowBytes = 512;

// Columns [begin, width) of a few rows.
template <class T, bool kGradient, int kRows>
inline void map_few_rows(const T* x, const T* gradient, T* out, int64_t stride, int64_t begin,
                         int64_t width, const Affine<T>& map) {
  auto columns = [&](int64_t j, bool stream) {
    const Map<T> high = load<Map<T>>(map.high + j), slope = load<Map<T>>(map.slope + j),
                 shift = load<Map<T>>(map.shift + j);
    const Map<T> gain = kGradient ? load<Map<T>>(map.gain + j) : high;
    for (int row = 0; row < kRows; ++row) {
      const int64_t at = row * stride + j;
      map_vector<T, kGradient>(x + at, gradient + at, out + at, high, slope, shift, gain, stream);
    }
  };
  int64_t j = begin;
  for (; j + kMapStep<T> <= width; j += kMapStep<T>) columns(j, map.stream);
  if (j != width) columns(width - kMapStep<T>, false);
}

#if defined(__AVX2__)
// Columns [0, width), whole pairs.
template <bool kGradient, int kRows>
inline void map_few_pairs(const Brain* x, const Brain* gradient, Brain* out, int64_t stride,
                          int64_t width, const PairedMap& map, bool stream) {
  for (int64_t j = 0; j < width; j += kPair) {
    const EvenAndOdd high = map.high(j), slope = map.slope(j), shift = map.shift(j);
    const EvenAndOdd gain = kGradient ? map.gain(j) : high;
    for (int row = 0; row < kRows; ++row) {
      const int64_t at = row * stride + j;
      map_pair<kGradient>(x + at, gradient + at, out + at, high, slope, shift, gain, stream);
    }
  }
}
#endif

// Calls few(first row, how many, as a type) for rows that are mapped together, all in turn.
template <class T, bool kGradient, class Few>
inline void each_few_rows(int64_t rows, int64_t stride, bool far, Few&& few) {
  constexpr int kRows = kGradient ? kMapRows / 2 : kMapRows;
  const bool together = stride * int64_t(sizeof(T)) < (far ? kLongFarRowBytes : kLongRowBytes);
  int64_t row = 0;
  for (; together && row + kRows <= rows; row += kRows)
    few(row, std::integral_constant<int, kRows>());
  for (; row < rows; ++row) few(row, std::integral_constant<int, 1>());
}

template <class T, bool kGradient>
void map_rows_of(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride, int64_t width,
                 const Affine<T>& map) {
#if defined(__AVX2__)
  if constexpr (std::is_same_v<T, Brain>) {
    if (rows >= kMapRows && width >= kPair && width <= kMostPaired) {
      const int64_t whole = width / kPair * kPair;
      const PairedMap pairs(map, whole);
      return each_few_rows<T, kGradient>(rows, stride, map.far, [&](int64_t row, auto many) {
        const int64_t at = row * stride;
        map_few_pairs<kGradient, many()>(x + at, gradient + at, out + at, stride, whole, pairs,
                                         map.stream);
        if (whole != width)
          map_few_rows<T, kGradient, many()>(x + at, gradient + at, out + at, stride, whole, width,
                                             map);
      });
    }
  }
#endif
  each_few_rows<T, kGradient>(rows, stride, map.far, [&](int64_t row, auto many) {
    const int64_t at = row * stride;
    map_few_rows<T, kGradient, many()>(x + at, gradient + at, out + at, stride, 0, width, map);
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
void sum_rows(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width, bool far,
              const double* center, double* sum, double* product, bool wide) {
  using Narrow = std::conditional_t<std::is_same_v<T, double>, WideSums, NarrowSums>;
  auto by = [&]<class S>(S) {
    if (gradient)
      return sum_rows_by<S, T, true>(x, gradient, rows, stride, width, far, center, sum, product);
    sum_rows_by<S, T, false>(x, x, rows, stride, width, far, center, sum, product);
  };
  wide ? by(WideSums()) : by(Narrow());
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
  return {batch::kUnit,
          batch::sum_runs<T>,
          batch::sum_rows<T>,
          batch::map_runs<T>,
          batch::map_rows<T>,
          channel::forward_map<Work<T>>,
          channel::backward_map<Work<T>>};
}

}  // namespace
}  // namespace evenly
