// The loops of batch normalisation: two sums a channel, and an affine map of every value.
//
// Both directions have the same two loops. Forward sums d and d*d of d = x - center, then writes
// (x - high) * slope + shift. Backward sums g and g*d of the gradient g, then writes
// g * gain + (x - high) * slope + shift. Sums are float64; the map is computed in float32 for
// float32 and shorter types, in which x - high has at most one rounding (none when x is within a
// factor of two of high: Sterbenz 1974).
#pragma once

#include "batch_kernels.h"
#include "rounding.h"
#include "scale_kernels.inc.h"
#include "simd.h"

namespace evenly {
namespace {
namespace batch {

using evenly::fused;

// A unit: as many values as a register holds floats.
constexpr int kUnit = kVectorBytes / 4;
static_assert(kUnit <= kMaxUnit);
constexpr int kRowsTogether = 8;  // share the loads and stores of their columns' sums

struct DoubleUnit {
  Full<double> first, second;
};
template <class T>
inline DoubleUnit wide(const T* from) {
  return {doubles(from), doubles(from + kUnit / 2)};
}
inline DoubleUnit operator-(DoubleUnit x, DoubleUnit y) {
  return {x.first - y.first, x.second - y.second};
}
inline DoubleUnit fused(DoubleUnit x, DoubleUnit y, DoubleUnit z) {
  return {fused(x.first, y.first, z.first), fused(x.second, y.second, z.second)};
}
inline void add_to(DoubleUnit& sum, DoubleUnit x) {
  sum.first += x.first;
  sum.second += x.second;
}
inline DoubleUnit splat_unit(double x) { return {splat<Full<double>>(x), splat<Full<double>>(x)}; }
inline void store_unit(double* to, DoubleUnit x) {
  store(to, x.first);
  store(to + kUnit / 2, x.second);
}

// Values that do not fill a unit are read as the last unit that ends with them; what it holds
// of the unit before counts as 0.
class Rest {
 public:
  explicit Rest(int64_t count) {
    for (int i = 0; i < kUnit; ++i) lanes_[i] = i >= kUnit - count % kUnit ? -1 : 0;
  }
  DoubleUnit only(DoubleUnit x) const {
    auto keep = [this](Full<double> part, int from) {
      return (Full<double>)((Full<int64_t>)part & load<Full<int64_t>>(lanes_ + from));
    };
    return {keep(x.first, 0), keep(x.second, kUnit / 2)};
  }

 private:
  alignas(64) int64_t lanes_[kUnit];
};

// ---- Sums --------------------------------------------------------------------------------

struct Sums {
  DoubleUnit sum, product;
  template <class T, bool kGradient, bool kRest>
  inline void take(const T* x, const T* gradient, DoubleUnit center, const Rest& rest) {
    DoubleUnit d = wide(x) - center;
    DoubleUnit first = d;
    if constexpr (kGradient) first = wide(gradient);
    if constexpr (kRest) first = rest.only(first);
    add_to(sum, first);
    product = fused(first, d, product);
  }
};

template <class T, bool kGradient>
void sum_runs_of(const T* x, const T* gradient, const Runs& runs, const double* center,
                 LaneSums* sums) {
  const Rest rest(runs.length);
  const int64_t whole = runs.length / kUnit * kUnit;
  for (int64_t n = 0; n < runs.outer; ++n) {
    for (int64_t c = 0; c < runs.channels; ++c) {
      const int64_t at = n * runs.outer_step + c * runs.channel_step;
      const DoubleUnit middle = splat_unit(center[c]);
      Sums s{wide(sums[c].sum), wide(sums[c].product)};
      for (int64_t i = at; i < at + whole; i += kUnit)
        s.take<T, kGradient, false>(x + i, gradient + i, middle, rest);
      if (whole != runs.length) {
        const int64_t last = at + runs.length - kUnit;
        s.take<T, kGradient, true>(x + last, gradient + last, middle, rest);
      }
      store_unit(sums[c].sum, s.sum);
      store_unit(sums[c].product, s.product);
    }
  }
}

template <class T, bool kGradient, int kRows, bool kRest>
inline void sum_columns(const T* x, const T* gradient, int64_t stride, const double* center,
                        double* sum, double* product, const Rest& rest) {
  const DoubleUnit middle = wide(center);
  Sums s{wide(sum), wide(product)};
  for (int row = 0; row < kRows; ++row)
    s.take<T, kGradient, kRest>(x + row * stride, gradient + row * stride, middle, rest);
  store_unit(sum, s.sum);
  store_unit(product, s.product);
}

template <class T, bool kGradient, int kRows>
inline void sum_few_rows(const T* x, const T* gradient, int64_t stride, int64_t width,
                         const double* center, double* sum, double* product, const Rest& rest) {
  int64_t j = 0;
  for (; j + kUnit <= width; j += kUnit)
    sum_columns<T, kGradient, kRows, false>(x + j, gradient + j, stride, center + j, sum + j,
                                            product + j, rest);
  if (j == width) return;
  j = width - kUnit;
  sum_columns<T, kGradient, kRows, true>(x + j, gradient + j, stride, center + j, sum + j,
                                         product + j, rest);
}

template <class T, bool kGradient>
void sum_rows_of(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
                 const double* center, double* sum, double* product) {
  const Rest rest(width);
  int64_t row = 0;
  for (; row + kRowsTogether <= rows; row += kRowsTogether)
    sum_few_rows<T, kGradient, kRowsTogether>(x + row * stride, gradient + row * stride, stride,
                                              width, center, sum, product, rest);
  for (; row < rows; ++row)
    sum_few_rows<T, kGradient, 1>(x + row * stride, gradient + row * stride, stride, width, center,
                                  sum, product, rest);
}

// ---- The affine map ----------------------------------------------------------------------

inline Full<double> values(const double* from) { return load<Full<double>>(from); }
template <class T>
inline Full<float> values(const T* from) {
  return floats(from);
}

inline void put(double* to, Full<double> x, bool stream) { write(to, x, stream); }
inline void put(float* to, Full<float> x, bool stream) { write(to, x, stream); }
inline void put(Half* to, Full<float> x, bool) {
#if defined(__AVX512F__)
  _mm256_storeu_si256((__m256i*)to, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  _mm_storeu_si128((__m128i*)to, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
#else
  for (int i = 0; i < kUnit; ++i) round_to(double(x[i]), to[i]);
#endif
}
inline void put(Brain* to, Full<float> x, bool) {
  // To nearest even: half of the last place, less one if that is even, carries upwards.
  Full<uint32_t> bits = (Full<uint32_t>)x;
  Full<uint32_t> rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  Full<uint32_t> nan = (Full<uint32_t>)(x != x);
  rounded = (rounded & ~nan) | (nan & 0x7fc0);
#if defined(__AVX512F__)
  _mm256_storeu_si256((__m256i*)to, _mm512_cvtepi32_epi16((__m512i)rounded));
#elif defined(__AVX2__)
  __m256i packed = _mm256_packus_epi32((__m256i)rounded, (__m256i)rounded);
  _mm_storeu_si128((__m128i*)to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000)));
#else
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
  if constexpr (kGradient) y = fused(values(gradient), gain, y);
  put(out, y, stream);
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
      auto one = [&](int64_t i, bool stream) {
        map_vector<T, kGradient>(x + i, gradient + i, out + i, high, slope, shift, gain, stream);
      };
      int64_t i = at;
      const int64_t end = at + runs.length;
      if (map.stream) {  // the first vector reaches up to where streaming is aligned
        one(i, false);
        const int64_t misaligned = reinterpret_cast<uintptr_t>(out + i) % kVectorBytes;
        i += (kVectorBytes - misaligned) / int64_t(sizeof(T));
      }
      for (; i + kStep <= end; i += kStep) one(i, map.stream);
      if (i != end) one(end - kStep, false);
    }
  }
}

template <class T, bool kGradient>
void map_rows_of(const T* x, const T* gradient, T* out, int64_t rows, int64_t stride, int64_t width,
                 const Affine<T>& map) {
  constexpr int kStep = kMapStep<T>;
  auto columns = [&](int64_t from, int64_t row, int64_t j) {
    const int64_t at = row * stride + j;
    const Map<T> gain = kGradient ? load<Map<T>>(map.gain + j) : Map<T>{};
    map_vector<T, kGradient>(x + at, gradient + at, out + at, load<Map<T>>(map.high + j),
                             load<Map<T>>(map.slope + j), load<Map<T>>(map.shift + j), gain,
                             map.stream && from == j);
  };
  for (int64_t row = 0; row < rows; ++row) {
    int64_t j = 0;
    for (; j + kStep <= width; j += kStep) columns(j, row, j);
    if (j != width) columns(j, row, width - kStep);
  }
}

// ---- The table ---------------------------------------------------------------------------

template <class T>
void sum_runs(const T* x, const T* gradient, const Runs& runs, const double* center,
              LaneSums* sums) {
  if (gradient) return sum_runs_of<T, true>(x, gradient, runs, center, sums);
  sum_runs_of<T, false>(x, x, runs, center, sums);
}
template <class T>
void sum_rows(const T* x, const T* gradient, int64_t rows, int64_t stride, int64_t width,
              const double* center, double* sum, double* product) {
  if (gradient) return sum_rows_of<T, true>(x, gradient, rows, stride, width, center, sum, product);
  sum_rows_of<T, false>(x, x, rows, stride, width, center, sum, product);
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
  return {batch::kUnit, batch::sum_runs<T>, batch::sum_rows<T>, batch::map_runs<T>,
          batch::map_rows<T>};
}

}  // namespace
}  // namespace evenly
