#include "base/parquet_pages.h"

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include <algorithm>
#include <cstring>
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

constexpr int64_t kTrailerBytes = 8;  // the length of the footer, and PAR1

int64_t read_file_at(int file, uint8_t* data, int64_t size, int64_t offset) {
#ifdef _WIN32
  if (_lseeki64(file, offset, 0) < 0) return -1;
  return _read(file, data, unsigned(size));
#else
  return pread(file, data, size_t(size), off_t(offset));
#endif
}

// Decodes values in the compact protocol. A value that does not exist, because the file ends, the
// value is invalid or more than `most` bytes were read, sets `failed`.
class CompactReader {
 public:
  CompactReader(const ParquetBytes& file, int64_t offset, int64_t most)
      : file_(file), most_(most), begin_(offset), position_(offset) {}

  // Reads a struct. Calls read_field(field, type), which must read the value and return true, or
  // return false to skip it.
  template <class ReadField>
  void read_struct(int depth, ReadField&& read_field) {
    int64_t field = 0;
    while (!failed_) {
      uint8_t head = byte();
      int type = head & 15;
      if (type == kStop) return;
      int delta = head >> 4;
      field = delta ? field + delta : signed_integer();
      if (!read_field(field, type) && type != kTrue && type != kFalse) {  // whose value is the type
        skip(type, depth + 1);
      }
    }
  }

  // Reads a list of structs; calls read_element() for each of them.
  template <class ReadElement>
  void read_structs(ReadElement&& read_element) {
    uint64_t count = read_count();
    if (last_type_ != kStruct) failed_ = true;
    for (; count && !failed_; --count) read_element();
  }

  int64_t signed_integer() {
    uint64_t value = integer();
    return int64_t(value >> 1) ^ -int64_t(value & 1);
  }

  bool failed() const { return failed_; }
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
        read_struct(depth, [](int64_t, int) { return false; });
        return;
      case kList:
      case kSet: {
        uint64_t count = read_count();
        const int element = last_type_;
        for (; count && !failed_; --count) skip(element, depth + 1);
        return;
      }
      default:
        failed_ = true;  // the structs of Parquet have no maps
    }
  }

  // Returns the number of elements of a list, whose type is then `last_type_`.
  uint64_t read_count() {
    uint8_t head = byte();
    last_type_ = head & 15;
    uint64_t count = head >> 4;
    if (count == 15) count = integer();
    if (count > uint64_t(most_)) failed_ = true;
    return failed_ ? 0 : count;
  }

  uint8_t byte() {
    if (position_ - begin_ >= most_) failed_ = true;
    if (failed_) return 0;
    if (position_ < buffered_ || position_ >= buffered_ + size_) {
      buffered_ = position_;
      size_ = std::max<int64_t>(0, file_.read_at(buffer_, kBufferBytes, position_));
      if (!size_) {
        failed_ = true;
        return 0;
      }
    }
    return buffer_[position_++ - buffered_];
  }

  void advance(uint64_t bytes) {
    if (bytes > uint64_t(most_)) failed_ = true;
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

  const ParquetBytes& file_;
  int64_t most_;
  int64_t begin_;
  int64_t position_;
  int64_t buffered_ = 0;  // offset of buffer_ in the file
  int64_t size_ = 0;
  uint8_t buffer_[kBufferBytes];
  bool failed_ = false;
  int last_type_ = kStop;
};

// The fields of PageHeader that are needed.
struct PageSizes {
  std::optional<int64_t> uncompressed;
  std::optional<int64_t> compressed;
};

PageSizes read_page_header(CompactReader& reader) {
  PageSizes sizes;
  reader.read_struct(0, [&](int64_t field, int type) {
    if (type != kI32 || (field != 2 && field != 3)) return false;
    (field == 2 ? sizes.uncompressed : sizes.compressed) = reader.signed_integer();
    return true;
  });
  return sizes;
}

constexpr ColumnChunk kInvalidChunk = {-1, -1, 0, 0};

// Reads ColumnMetaData.
ColumnChunk read_column_metadata(CompactReader& reader) {
  int64_t values = 0, uncompressed = 0, bytes = 0, data = 0, dictionary = 0;
  reader.read_struct(3, [&](int64_t field, int type) {
    int64_t* number = field == 5    ? &values
                      : field == 6  ? &uncompressed
                      : field == 7  ? &bytes
                      : field == 9  ? &data
                      : field == 11 ? &dictionary
                                    : nullptr;
    if (!number || type != kI64) return false;
    *number = reader.signed_integer();
    return true;
  });
  if (!values) return {};  // the offset of whose data is 0
  const int64_t start = dictionary > 0 ? std::min(data, dictionary) : data;
  int64_t stop = 0;
  const bool valid = values > 0 && start >= 0 && bytes >= 0 && uncompressed >= 0;
  if (!valid || __builtin_add_overflow(start, bytes, &stop)) return kInvalidChunk;
  return {start, stop, uncompressed, values};
}

// Reads the list of ColumnChunk of a RowGroup.
void read_columns(CompactReader& reader, std::vector<ColumnChunk>& chunks) {
  reader.read_structs([&] {
    ColumnChunk chunk = kInvalidChunk;
    reader.read_struct(2, [&](int64_t field, int type) {
      if (field != 3 || type != kStruct) return false;
      chunk = read_column_metadata(reader);
      return true;
    });
    chunks.push_back(chunk);
  });
}

}  // namespace

int64_t ParquetBytes::read_at(uint8_t* data, int64_t size, int64_t position) const {
  if (!data_) return read_file_at(file_, data, size, position);
  if (position < offset_ || position - offset_ >= size_) return 0;
  const int64_t start = position - offset_;
  const int64_t bytes = std::min(size, size_ - start);
  std::memcpy(data, data_ + start, size_t(bytes));
  return bytes;
}

std::optional<std::vector<ColumnChunk>> parquet_chunks(const ParquetBytes& file, int64_t size) {
  uint8_t trailer[kTrailerBytes];
  if (size < kTrailerBytes ||
      file.read_at(trailer, kTrailerBytes, size - kTrailerBytes) != kTrailerBytes) {
    return {};
  }
  uint32_t bytes = 0;
  std::memcpy(&bytes, trailer, sizeof bytes);
  if (int64_t(bytes) > size - kTrailerBytes) return {};
  std::vector<ColumnChunk> chunks;
  CompactReader reader(file, size - kTrailerBytes - int64_t(bytes), int64_t(bytes));
  reader.read_struct(0, [&](int64_t field, int type) {
    if (field != 4 || type != kList) return false;
    reader.read_structs([&] {
      reader.read_struct(1, [&](int64_t part, int part_type) {
        if (part != 1 || part_type != kList) return false;
        read_columns(reader, chunks);
        return true;
      });
    });
    return true;
  });
  const bool valid = std::all_of(chunks.begin(), chunks.end(),
                                 [](const ColumnChunk& chunk) { return chunk.start >= 0; });
  if (reader.failed() || !valid) return {};
  return chunks;
}

int64_t largest_parquet_page(const ParquetBytes& file, int64_t start, int64_t stop, int64_t limit) {
  int64_t largest = 0;
  while (start < stop) {
    CompactReader reader(file, start, kMaxHeaderBytes);
    const auto [uncompressed, compressed] = read_page_header(reader);
    if (reader.failed() || uncompressed.value_or(-1) < 0 || compressed.value_or(-1) < 0 ||
        *compressed > INT32_MAX) {
      return kInvalidPageHeader;
    }
    largest = std::max(largest, *uncompressed);
    if (largest > limit) return largest;
    start = reader.position() + *compressed;
  }
  return largest;
}

}  // namespace evenly
