#include "factorize/factorize.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

template <class T>
using Row = nb::ndarray<const T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Codes = nb::ndarray<nb::numpy, int64_t, nb::shape<-1>>;

std::pair<Codes, Codes> to_numpy_pair(Factorized&& factorized) {
  return {to_numpy(std::move(factorized.codes)), to_numpy(std::move(factorized.first_rows))};
}

std::pair<Codes, Codes> factorize_array(const Row<uint64_t>& words) {
  Factorized factorized;
  {
    nb::gil_scoped_release release;
    factorized = factorize_words(words.data(), int64_t(words.shape(0)));
  }
  return to_numpy_pair(std::move(factorized));
}

void check_strings(const StringColumn& strings, const std::vector<Row<uint8_t>>& buffers) {
  for (int64_t row = 0; row < strings.rows; ++row) {
    auto buffer = size_t(strings.buffer[row]);
    int64_t offset = strings.offset[row], length = strings.length[row];
    if (buffer >= buffers.size() || offset < 0 || length < 0 ||
        offset > int64_t(buffers[buffer].shape(0)) - length) {
      throw nb::value_error("a text must lie within its buffer");
    }
  }
}

std::pair<Codes, Codes> factorize_buffers(const std::vector<Row<uint8_t>>& buffers,
                                          const Row<int32_t>& buffer, const Row<int64_t>& offset,
                                          const Row<int64_t>& length) {
  StringColumn strings{{}, buffer.data(), offset.data(), length.data(), int64_t(buffer.shape(0))};
  if (offset.shape(0) != buffer.shape(0) || length.shape(0) != buffer.shape(0))
    throw nb::value_error("buffer, offset and length must have one value for each row");
  check_strings(strings, buffers);
  for (const Row<uint8_t>& one : buffers) strings.buffers.push_back(one.data());
  Factorized factorized;
  {
    nb::gil_scoped_release release;
    factorized = factorize_strings(strings);
  }
  return to_numpy_pair(std::move(factorized));
}

}  // namespace

void bind_factorize(nb::module_& m) {
  m.def("number_words", &factorize_array, "words"_a,
        "Factorizes 64-bit words: equal words get equal codes 0, 1, 2, … in order of appearance. "
        "Returns the code of each row and the first row of each code.");
  m.def("number_texts", &factorize_buffers, "buffers"_a, "buffer"_a, "offset"_a, "length"_a,
        "Factorizes texts. Each row has the index of its buffer, its offset in it and its length "
        "in bytes.");
}

}  // namespace evenly
