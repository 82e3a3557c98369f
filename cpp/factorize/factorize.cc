#include "factorize/factorize.h"

#include <cstring>
#include <random>

namespace evenly {
namespace {

// MurmurHash3's finalizer (Appleby, 2011, public domain): every bit of the result depends on every
// bit of the word.
uint64_t mix(uint64_t word) {
  word = (word ^ (word >> 33)) * 0xff51afd7ed558ccd;
  word = (word ^ (word >> 33)) * 0xc4ceb9fe1a85ec53;
  return word ^ (word >> 33);
}

// Two random words, unknown to whoever provides the data. Without them, keys could be chosen to
// have the same hash, and factorizing n of them would take O(n^2) steps.
struct Secret {
  uint64_t first, second;
};
const Secret& secret() {
  static const Secret drawn = [] {
    std::random_device device;
    auto word = [&] { return uint64_t(device()) << 32 | device(); };
    return Secret{word(), word()};
  }();
  return drawn;
}

// A hash table of codes with open addressing, at most half full.
class Table {
 public:
  Table() : slots_(kSmallest, -1) {}

  // Returns the code of a key; equal(code) says whether the key is the one with that code.
  template <class Equal>
  int64_t code_of(uint64_t hash, Equal&& equal) {
    for (uint64_t at = hash;; ++at) {
      int64_t& slot = slots_[at & (slots_.size() - 1)];
      if (slot < 0) {
        slot = int64_t(hashes_.size());
        hashes_.push_back(hash);
        if (2 * hashes_.size() > slots_.size()) enlarge();
        return int64_t(hashes_.size()) - 1;
      }
      if (hashes_[std::size_t(slot)] == hash && equal(slot)) return slot;
    }
  }

 private:
  static constexpr std::size_t kSmallest = 64;

  void enlarge() {
    slots_.assign(4 * slots_.size(), -1);
    for (std::size_t code = 0; code < hashes_.size(); ++code) {
      uint64_t at = hashes_[code];
      while (slots_[at & (slots_.size() - 1)] >= 0) ++at;
      slots_[at & (slots_.size() - 1)] = int64_t(code);
    }
  }

  std::vector<int64_t> slots_;
  std::vector<uint64_t> hashes_;
};

// Factorizes rows, given hash_of(row) and same(row, row).
template <class Hash, class Same>
Factorized factorize(int64_t rows, Hash&& hash_of, Same&& same) {
  Factorized result;
  result.codes.resize(std::size_t(rows));
  Table table;
  for (int64_t row = 0; row < rows; ++row) {
    // Equal keys are often adjacent.
    if (row && same(row, row - 1)) {
      result.codes[std::size_t(row)] = result.codes[std::size_t(row - 1)];
      continue;
    }
    int64_t code = table.code_of(hash_of(row), [&](int64_t known) {
      return same(row, result.first_rows[std::size_t(known)]);
    });
    if (code == int64_t(result.first_rows.size())) result.first_rows.push_back(row);
    result.codes[std::size_t(row)] = code;
  }
  return result;
}

}  // namespace

Factorized factorize_words(const uint64_t* words, int64_t rows) {
  const Secret key = secret();
  return factorize(
      rows, [&](int64_t row) { return mix(mix(words[row] ^ key.first) ^ key.second); },
      [&](int64_t a, int64_t b) { return words[a] == words[b]; });
}

Factorized factorize_strings(const StringColumn& strings) {
  const Secret key = secret();
  auto begin_of = [&](int64_t row) {
    return strings.buffers[std::size_t(strings.buffer[row])] + strings.offset[row];
  };
  auto hash_of = [&](int64_t row) {
    const uint8_t* text = begin_of(row);
    int64_t left = strings.length[row];
    uint64_t hash = uint64_t(left) ^ key.first;
    for (; left > 0; left -= 8, text += 8) {
      uint64_t word = 0;
      std::memcpy(&word, text, std::size_t(left < 8 ? left : 8));
      hash = mix(hash ^ word) + 0x9e3779b97f4a7c15;
    }
    return mix(hash ^ key.second);
  };
  auto same = [&](int64_t a, int64_t b) {
    auto length = std::size_t(strings.length[a]);
    return strings.length[a] == strings.length[b] &&
           (!length || !std::memcmp(begin_of(a), begin_of(b), length));
  };
  return factorize(strings.rows, hash_of, same);
}

}  // namespace evenly
