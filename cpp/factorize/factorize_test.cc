// Codes of keys against std::map.
#include "factorize/factorize.h"

#include <map>
#include <string>

#include "tests/check.h"
#include "tests/random.h"

using namespace evenly;
using namespace evenly::testing;

namespace {

void check_words(Random& random, int64_t rows, int64_t different) {
  std::vector<uint64_t> words(static_cast<std::size_t>(rows));
  for (uint64_t& word : words) word = uint64_t(random.below(different)) << 50;
  Factorized factorized = factorize_words(words.data(), rows);
  std::map<uint64_t, int64_t> known;
  for (std::size_t row = 0; row < words.size(); ++row) {
    auto [found, is_new] = known.emplace(words[row], int64_t(known.size()));
    CHECK(factorized.codes[row] == found->second);
    if (is_new) CHECK(factorized.first_rows[std::size_t(found->second)] == int64_t(row));
  }
  CHECK(factorized.first_rows.size() == known.size());
}

void check_strings(Random& random, int64_t rows) {
  std::vector<std::string> strings;
  for (int64_t row = 0; row < rows; ++row) {
    strings.push_back(std::string(std::size_t(random.below(20)), char('a' + random.below(2))));
  }
  std::vector<std::string> buffers(2);
  std::vector<int32_t> buffer;
  std::vector<int64_t> offset, length;
  for (const std::string& text : strings) {
    buffer.push_back(int32_t(random.below(2)));
    std::string& to = buffers[std::size_t(buffer.back())];
    offset.push_back(int64_t(to.size()));
    length.push_back(int64_t(text.size()));
    to += text;
  }
  StringColumn given{{}, buffer.data(), offset.data(), length.data(), rows};
  for (const std::string& one : buffers) {
    given.buffers.push_back(reinterpret_cast<const uint8_t*>(one.data()));
  }
  Factorized factorized = factorize_strings(given);
  std::map<std::string, int64_t> known;
  for (std::size_t row = 0; row < strings.size(); ++row) {
    auto found = known.emplace(strings[row], int64_t(known.size())).first;
    CHECK(factorized.codes[row] == found->second, strings[row]);
  }
}

}  // namespace

TEST(codes_are_assigned_in_order_of_appearance) {
  Random random(seed());
  for (int64_t rows : {0, 1, 7, 100, 3000, 20000}) {
    check_words(random, rows, 1 + random.below(5000));
    check_strings(random, rows);
  }
}
