#include "base/parquet_pages.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include <algorithm>
#include <optional>

namespace evenly {
namespace {

constexpr int64_t kBufferBytes = 512;  // most headers are smaller
constexpr int64_t kMaxHeaderBytes = int64_t(1) << 20;
constexpr int kMaxDepth = 16;

// Field types of the compact protocol.
enum Type {
  kStop,
  kTrue,
  kFalse,
  kByte,
  kI16,
  kI32,
  kI64,
  kDouble,
  kBinary,
  kList,
  kSet,
  kMap,
  kStruct
};

constexpr int kUncompressedSize = 2;  // field numbers of PageHeader
constexpr int kCompressedSize = 3;

int64_t read_at(int file, uint8_t* data, int64_t size, int64_t offset) {
#ifdef _WIN32
  if (_lseeki64(file, offset, 0) < 0) return -1;
  return _read(file, data, unsigned(size));
#else
  return pread(file, data, size_t(size), off_t(offset));
#endif
}

// Decodes one header. A value that does not exist, because the file ends or the header is invalid,
// sets `failed`.
class HeaderReader {
 public:
  HeaderReader(int file, int64_t offset) : file_(file), begin_(offset), position_(offset) {}

  // Reads a struct; keeps the two sizes of the outermost one.
  void read_struct(int depth) {
    int64_t field = 0;
    while (!failed_) {
      uint8_t head = byte();
      int type = head & 15;
      if (type == kStop) return;
      int delta = head >> 4;
      field = delta ? field + delta : signed_integer();
      if (depth == 0 && type == kI32 && (field == kUncompressedSize || field == kCompressedSize)) {
        (field == kUncompressedSize ? uncompressed_ : compressed_) = signed_integer();
      } else if (type != kTrue && type != kFalse) {  // whose value is the type
        skip(type, depth + 1);
      }
    }
  }

  bool failed() const { return failed_ || !uncompressed_ || !compressed_; }
  int64_t uncompressed() const { return *uncompressed_; }
  int64_t compressed() const { return *compressed_; }
  int64_t position() const { return position_; }

 private:
  void skip(int type, int depth) {
    if (depth > kMaxDepth) failed_ = true;
    if (failed_) return;
    switch (type) {
      case kTrue:
      case kFalse:
      case kByte:
        advance(1);
        return;
      case kI16:
      case kI32:
      case kI64:
        integer();
        return;
      case kDouble:
        advance(8);
        return;
      case kBinary:
        advance(integer());
        return;
      case kStruct:
        read_struct(depth);
        return;
      case kList:
      case kSet: {
        uint8_t head = byte();
        uint64_t count = head >> 4;
        if (count == 15) count = integer();
        if (count > uint64_t(kMaxHeaderBytes)) failed_ = true;
        for (; count && !failed_; --count) skip(head & 15, depth + 1);
        return;
      }
      default:
        failed_ = true;  // PageHeader has no maps
    }
  }

  uint8_t byte() {
    if (position_ - begin_ >= kMaxHeaderBytes) failed_ = true;
    if (failed_) return 0;
    if (position_ < buffered_ || position_ >= buffered_ + size_) {
      buffered_ = position_;
      size_ = std::max<int64_t>(0, read_at(file_, buffer_, kBufferBytes, position_));
      if (!size_) {
        failed_ = true;
        return 0;
      }
    }
    return buffer_[position_++ - buffered_];
  }

  void advance(uint64_t bytes) {
    if (bytes > uint64_t(kMaxHeaderBytes)) failed_ = true;
    if (!failed_) position_ += int64_t(bytes);
  }

  uint64_t integer() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint8_t next = byte();
      value |= uint64_t(next & 127) << shift;
      if (next < 128) return value;
    }
    failed_ = true;
    return 0;
  }

  int64_t signed_integer() {
    uint64_t value = integer();
    return int64_t(value >> 1) ^ -int64_t(value & 1);
  }

  int file_;
  int64_t begin_;
  int64_t position_;
  int64_t buffered_ = 0;  // offset of buffer_ in the file
  int64_t size_ = 0;
  uint8_t buffer_[kBufferBytes];
  bool failed_ = false;
  std::optional<int64_t> uncompressed_;
  std::optional<int64_t> compressed_;
};

}  // namespace

int64_t largest_parquet_page(int file, int64_t start, int64_t stop, int64_t limit) {
  int64_t largest = 0;
  while (start < stop) {
    HeaderReader header(file, start);
    header.read_struct(0);
    if (header.failed() || header.uncompressed() < 0 || header.compressed() < 0 ||
        header.compressed() > INT32_MAX) {
      return kInvalidPageHeader;
    }
    largest = std::max(largest, header.uncompressed());
    if (largest > limit) return largest;
    start = header.position() + header.compressed();
  }
  return largest;
}

}  // namespace evenly
