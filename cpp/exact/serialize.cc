#include "exact/serialize.h"

#include <bit>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace evenly {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kHasValues = 1, kHasFractions = 2, kHasHistogram = 4;
// Flags of the state.
constexpr uint8_t kExtremesAreBounds = 1, kHasDistributions = 2;
// The minimum size of a column: flags, two counts and two numbers that are 0.
constexpr std::size_t kMinColumnBytes = 5;
// The limits of State.set_column: a mantissa below 2^16384 and an exponent within ±4096.
constexpr std::size_t kMaxBytes = 2048;
constexpr int64_t kMaxExponent = 4096;

class Writer {
 public:
  void byte(uint8_t value) { bytes_.push_back(char(value)); }
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) byte(uint8_t(value | 128));
    byte(uint8_t(value));
  }
  void zigzag(int64_t value) { varint(uint64_t(value) << 1 ^ uint64_t(value >> 63)); }
  void word(uint64_t value, int bytes = 8) {
    char all[8];
    for (int i = 0; i < 8; ++i) all[i] = char(value >> 8 * i);
    bytes_.append(all, std::size_t(bytes));
  }
  void value(const ExtremeValue& value) {
    word(std::bit_cast<uint64_t>(value.nearest));
    zigzag(value.rest);
  }
  void number(const ExactSum& exact) {
    exact.read(number_);
    const Dyadic& value = number_;
    if (value.limbs.empty()) return byte(0);
    int top = (71 - std::countl_zero(value.limbs.back())) / 8;  // bytes of the last limb
    varint((8 * (value.limbs.size() - 1) + uint64_t(top)) << 1 | uint64_t(value.negative));
    zigzag(value.exponent);
    for (std::size_t i = 0; i + 1 < value.limbs.size(); ++i) word(value.limbs[i]);
    word(value.limbs.back(), top);
  }
  void column(const Column& column, bool with_histograms) {
    const bool counted = column.histogram && with_histograms;
    byte(uint8_t((column.has_values() ? kHasValues : 0) | (column.fraction ? kHasFractions : 0) |
                 (counted ? kHasHistogram : 0)));
    zigzag(column.count);
    zigzag(column.missing);
    if (column.has_values()) {
      value(column.min);
      value(column.max);
    }
    number(column.sum);
    number(column.squares);
    if (column.fraction) {
      number(column.fraction->count);
      number(column.fraction->missing);
    }
    if (counted) histogram(*column.histogram);
  }
  // Keys as differences, which are short.
  void histogram(const Histogram& histogram) {
    byte(uint8_t(histogram.shift()));
    varint(uint64_t(histogram.most_bins()));
    varint(histogram.bins().size());
    uint64_t last = 0;
    for (const Bin& bin : histogram.bins()) {
      varint(bin.key - std::exchange(last, bin.key));
      varint(uint64_t(bin.count));
    }
  }
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  Dyadic number_;
};

class Reader {
 public:
  Reader(const uint8_t* bytes, std::size_t size) : next_(bytes), end_(bytes + size) {}

  static void require(bool good) {
    if (!good) throw std::invalid_argument("these bytes are no packed moments of this version");
  }
  std::size_t left() const { return std::size_t(end_ - next_); }
  uint8_t byte() {
    require(next_ < end_);
    return *next_++;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      uint8_t part = byte();
      require(shift < 63 || part <= 1);
      value |= uint64_t(part & 127) << shift;
      if (part < 128) return value;
    }
  }
  int64_t zigzag() {
    uint64_t value = varint();
    return int64_t(value >> 1 ^ (0 - (value & 1)));
  }
  uint64_t word(std::size_t bytes = 8) {
    require(bytes <= left());
    uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= uint64_t(*next_++) << 8 * i;
    return value;
  }
  ExtremeValue value() {
    ExtremeValue value{std::bit_cast<double>(word())};
    int64_t rest = zigzag();
    require(std::isfinite(value.nearest) && rest >= -1024 && rest <= 1024);
    value.rest = int16_t(rest);
    return value;
  }
  ExactSum number() {
    ExactSum exact;
    uint64_t head = varint();
    if (head == 0) return exact;
    std::size_t bytes = head >> 1;
    require(bytes > 0 && bytes <= kMaxBytes && bytes <= left());
    Dyadic value;
    value.negative = head & 1;
    int64_t exponent = zigzag();
    require(exponent >= -kMaxExponent && exponent <= kMaxExponent);
    value.exponent = int(exponent);
    for (; bytes > 8; bytes -= 8) value.limbs.push_back(word());
    value.limbs.push_back(word(bytes));
    exact.assign(value);
    return exact;
  }
  Column column() {
    Column column;
    uint8_t flags = byte();
    require(flags <= (kHasValues | kHasFractions | kHasHistogram));
    column.count = zigzag();
    column.missing = zigzag();
    if (flags & kHasValues) {
      column.min = value();
      column.max = value();
      require(column.has_values());
    }
    column.sum = number();
    column.squares = number();
    if (flags & kHasFractions) {
      column.fraction = std::make_unique<FractionalWeights>();
      column.fraction->count = number();
      column.fraction->missing = number();
    }
    if (flags & kHasHistogram) column.histogram = histogram(column);
    return column;
  }
  std::unique_ptr<Histogram> histogram(const Column& column) {
    const int shift = byte();
    const uint64_t most = varint(), count = varint();
    require(most >= kMinBins && most <= kMaxBins && count <= most && shift <= 63 &&
            count <= left() / 2);
    std::vector<Bin> bins;
    bins.reserve(count);
    uint64_t key = 0;
    for (uint64_t i = 0; i < count; ++i) {
      key += varint();
      bins.push_back({key, int64_t(varint())});
    }
    auto histogram = std::make_unique<Histogram>(int64_t(most), shift, std::move(bins));
    require(!column.fraction &&
            histogram->is_possible(column.count, column.min.nearest, column.max.nearest));
    return histogram;
  }

 private:
  const uint8_t* next_;
  const uint8_t* end_;
};

}  // namespace

std::string serialize(const Moments& moments) {
  Writer writer;
  const bool bounds = moments.extremes_are_bounds();
  const int64_t most_bins = moments.most_bins();
  moments.with_columns([&](const std::vector<Column>& columns) {
    writer.reserve(16 + 48 * columns.size());
    writer.byte(kVersion);
    writer.byte(uint8_t((bounds ? kExtremesAreBounds : 0) | (most_bins ? kHasDistributions : 0)));
    if (most_bins) writer.varint(uint64_t(most_bins));
    writer.varint(columns.size());
    for (const Column& column : columns) writer.column(column, most_bins != 0);
  });
  return writer.take();
}

Moments deserialize(const uint8_t* bytes, std::size_t size, int64_t groups) {
  Reader reader(bytes, size);
  Reader::require(reader.byte() == kVersion);
  const uint8_t flags = reader.byte();
  Reader::require(flags <= (kExtremesAreBounds | kHasDistributions));
  const uint64_t most_bins = flags & kHasDistributions ? reader.varint() : 0;
  Reader::require(most_bins <= kMaxBins);
  uint64_t number = reader.varint();
  Reader::require(number <= reader.left() / kMinColumnBytes);
  std::vector<Column> columns;
  columns.reserve(number);
  for (uint64_t i = 0; i < number; ++i) columns.push_back(reader.column());
  Reader::require(reader.left() == 0);
  for (const Column& column : columns) {
    Reader::require(column.histogram ? column.histogram->most_bins() <= int64_t(most_bins)
                                     : most_bins == 0 || !column.has_rows());
  }
  return Moments(std::move(columns), (flags & kExtremesAreBounds) != 0, groups, int64_t(most_bins));
}

}  // namespace evenly
