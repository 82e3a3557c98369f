// Binary serialization of moments, for pickles and messages between processes of the same version.
//
// Compact and fast, unlike the statistics file, which is readable and permanent: about 50 bytes per
// column, written and read in a tenth of a microsecond each.
//
//   byte 1 (the version), byte flags (1: extremes are bounds; 2: has distributions),
//   if distributions: varint bins at most; varint columns; then for each column
//   byte flags (1: has values; 2: has fractions; 4: has a histogram), zigzag count, zigzag missing,
//   if values: min, max, each a float64 and a zigzag rest,
//   number sum, number squares, if fractions: number count, number missing,
//   if a histogram: byte shift, varint bins at most, varint bins, for each varint difference of its
//   key from the last, varint count
//
// A number is varint 2 * bytes + negative, then, unless that is 0, zigzag exponent and the bytes of
// the odd mantissa. Everything is little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "exact/moments.h"

namespace evenly {

std::string serialize(const Moments& moments);

// Throws std::invalid_argument for bytes that serialize() cannot have produced. Never reads beyond
// them or allocates more memory than they can describe.
Moments deserialize(const uint8_t* bytes, std::size_t size, int64_t groups = 1);

}  // namespace evenly
