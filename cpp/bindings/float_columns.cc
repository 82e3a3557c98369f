#include "bindings/float_columns.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <new>

#include "base/caching_allocator.h"
#include "bindings/bindings.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace evenly {
namespace {

using Memory = FloatColumns::Memory;
using Tables = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using PowerTable = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;
using RowIndices = Vector<const int64_t>;

// Arrow recommends buffers that start at a cache line.
constexpr std::size_t kAlignment = 64;
// Larger blocks are mapped in large pages.
constexpr std::size_t kLarge = std::size_t(4) << 20;

std::shared_ptr<void> allocate(std::size_t bytes) {
  if (bytes < kLarge) {
    void* memory = ::operator new(bytes, std::align_val_t(kAlignment));
    return {memory, [](void* p) { ::operator delete(p, std::align_val_t(kAlignment)); }};
  }
  // Keeps nothing: a frame may be larger than all others that its process normalizes.
  static CachingAllocator* const pages = new CachingAllocator(0);
  const CachingAllocator::Block block = pages->allocate(bytes);
  return {block.memory, [block](void*) { pages->free(block); }};
}

// A copy of the validity bitmap of a column, which begins at its first bit.
std::unique_ptr<uint8_t[]> copy_bitmap(const ArrowColumn& column) {
  const int64_t rows = column.length(), bytes = (rows + 7) / 8;
  auto copy = std::make_unique<uint8_t[]>(std::size_t(bytes));
  const uint8_t* from = column.validity + (column.bit_offset >> 3);
  const int shift = int(column.bit_offset & 7);
  const int64_t given = (shift + rows + 7) / 8;
  for (int64_t i = 0; i < bytes; ++i) {
    const int next = shift && i + 1 < given ? from[i + 1] : 0;
    copy[std::size_t(i)] = uint8_t(from[i] >> shift | next << (8 - shift));
  }
  return copy;
}

// What the structures of exported data refer to; it is freed with the last of them.
struct Exported {
  std::shared_ptr<const Memory> memory;
  std::vector<std::string> names;
  std::vector<ArrowArray> arrays;
  std::vector<ArrowArray*> array_pointers;
  std::vector<ArrowSchema> schemas;
  std::vector<ArrowSchema*> schema_pointers;
  const void* no_buffer = nullptr;
};
using Owner = std::shared_ptr<Exported>;

// A consumer may keep a child longer than its parent.
template <class T>
void release(T* structure) {
  for (int64_t i = 0; i < structure->n_children; ++i) {
    T* child = structure->children[i];
    if (child->release) child->release(child);
  }
  delete static_cast<Owner*>(structure->private_data);
  structure->release = nullptr;
}

ArrowArray make_array(const Owner& owner, int64_t rows, const void** buffers, int64_t count) {
  return {rows, -1, 0, count, 0, buffers, nullptr, nullptr, release<ArrowArray>, new Owner(owner)};
}

ArrowSchema make_schema(const Owner& owner, const char* format, const char* name) {
  return {format,
          name,
          nullptr,
          ARROW_FLAG_NULLABLE,
          0,
          nullptr,
          nullptr,
          release<ArrowSchema>,
          new Owner(owner)};
}

template <class T>
nb::object to_capsule(const T& structure, const char* name) {
  auto* kept = new T(structure);
  PyObject* capsule = PyCapsule_New(kept, name, [](PyObject* self) {
    auto* own = static_cast<T*>(PyCapsule_GetPointer(self, PyCapsule_GetName(self)));
    if (own->release) own->release(own);  // no consumer has moved it
    delete own;
  });
  if (!capsule) throw nb::python_error();
  return nb::steal(capsule);
}

void check_size(bool fits) {
  if (!fits) throw nb::value_error("the tables must have an entry for each column and group");
}

FloatColumns scale_table(const Columns& columns, const std::vector<bool>& wide, const Tables& high,
                         const Tables& low, const Tables& factor,
                         const std::optional<PowerTable>& power,
                         const std::optional<RowIndices>& groups, bool inverse, bool nan_to_zero,
                         int threads) {
  const std::vector<ArrowColumn>& values = columns.complete();
  if (wide.size() != values.size()) throw nb::value_error("wide must have an entry per column");
  const std::size_t width = values.size();
  check_size(high.size() == low.size() && high.size() == factor.size() && high.size() >= width);
  check_size(width == 0 || high.size() % width == 0);
  check_size(!power || power->size() == high.size());
  if (groups) {
    if (int64_t(groups->shape(0)) != columns.rows())
      throw nb::value_error("groups must have an entry for each row");
    const int64_t count = width == 0 ? 0 : int64_t(high.size() / width);
    for (std::size_t i = 0; i < groups->shape(0) && width > 0; ++i)
      check_size(groups->data()[i] >= 0 && groups->data()[i] < count);
  } else {
    check_size(high.size() == width);
  }
  ColumnScales scales{high.data(), low.data(), factor.data()};
  scales.power = power ? power->data() : nullptr;
  scales.groups = groups ? groups->data() : nullptr;
  scales.inverse = inverse, scales.nan_to_zero = nan_to_zero;
  scales.threads = thread_count(threads);
  nb::gil_scoped_release release;
  FloatColumns result(values, columns.rows(), wide, !nan_to_zero);
  scale_columns(values, result.columns(), scales);
  return result;
}

}  // namespace

FloatColumns::FloatColumns(const std::vector<ArrowColumn>& like, int64_t rows,
                           const std::vector<bool>& wide, bool nulls) {
  auto memory = std::make_shared<Memory>();
  memory->rows = rows;
  std::vector<std::size_t> starts;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < like.size(); ++i) {
    starts.push_back(bytes);
    const std::size_t own = std::size_t(rows) * (wide[i] ? sizeof(double) : sizeof(float));
    bytes += (own + kAlignment - 1) / kAlignment * kAlignment;
  }
  memory->block = allocate(bytes);
  for (std::size_t i = 0; i < like.size(); ++i) {
    void* data = static_cast<char*>(memory->block.get()) + starts[i];
    memory->columns.push_back({data, wide[i] ? DType::kFloat64 : DType::kFloat32});
    const void* bitmap = nullptr;
    if (nulls && like[i].validity) {
      memory->bitmaps.push_back(copy_bitmap(like[i]));
      bitmap = memory->bitmaps.back().get();
    }
    memory->buffers.insert(memory->buffers.end(), {bitmap, data});
  }
  memory_ = memory;
}

std::pair<nb::object, nb::object> FloatColumns::to_arrow(
    const std::vector<std::string>& names) const {
  const std::size_t count = memory_->columns.size();
  if (names.size() != count) throw nb::value_error("there must be a name for each column");
  auto owner = std::make_shared<Exported>();
  owner->memory = memory_, owner->names = names;
  owner->arrays.reserve(count), owner->schemas.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto** buffers = const_cast<const void**>(memory_->buffers.data()) + 2 * i;
    owner->arrays.push_back(make_array(owner, memory_->rows, buffers, 2));
    // Polars refuses "unknown" without a bitmap.
    if (!buffers[0]) owner->arrays.back().null_count = 0;
    owner->array_pointers.push_back(&owner->arrays.back());
    const bool wide = memory_->columns[i].dtype == DType::kFloat64;
    owner->schemas.push_back(make_schema(owner, wide ? "g" : "f", owner->names[i].c_str()));
    owner->schema_pointers.push_back(&owner->schemas.back());
  }
  ArrowArray array = make_array(owner, memory_->rows, &owner->no_buffer, 1);
  array.null_count = 0, array.n_children = int64_t(count);
  array.children = owner->array_pointers.data();
  ArrowSchema schema = make_schema(owner, "+s", "");
  schema.flags = 0, schema.n_children = int64_t(count);
  schema.children = owner->schema_pointers.data();
  return {to_capsule(schema, "arrow_schema"), to_capsule(array, "arrow_array")};
}

nb::object FloatColumns::values(int64_t index) const {
  const FloatColumn& column = memory_->columns.at(std::size_t(index));
  auto* kept = new std::shared_ptr<const Memory>(memory_);
  nb::capsule owner(
      kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<const Memory>*>(p); });
  const std::size_t rows = std::size_t(memory_->rows);
  if (column.dtype == DType::kFloat64) {
    auto* data = static_cast<double*>(column.data);
    return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(data, {rows}, owner));
  }
  auto* data = static_cast<float*>(column.data);
  return nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<1>>(data, {rows}, owner));
}

nb::object FloatColumns::missing(int64_t index) const {
  const auto* bits = static_cast<const uint8_t*>(memory_->buffers.at(2 * std::size_t(index)));
  if (!bits) return nb::none();
  return to_mask(memory_->rows, [&](int64_t row) { return !(bits[row >> 3] >> (row & 7) & 1); });
}

void bind_float_columns(nb::module_& m) {
  nb::class_<FloatColumns>(m, "FloatColumns", "Columns of float32 and float64, as results.")
      .def("to_arrow", &FloatColumns::to_arrow, "names"_a,
           nb::sig("def to_arrow(self, names: collections.abc.Sequence[str]) -> "
                   "tuple[object, object]"),
           "Returns a struct array as Arrow capsules, a schema and an array, without a copy.")
      .def("values", &FloatColumns::values, "index"_a,
           nb::sig("def values(self, index: int) -> numpy.typing.NDArray[typing.Any]"),
           "Returns a column as a NumPy array, without a copy; NaN or 0 in missing rows.")
      .def("missing", &FloatColumns::missing, "index"_a,
           nb::sig("def missing(self, index: int) -> numpy.typing.NDArray[numpy.bool_] | None"),
           "Returns a mask of the missing rows of a column; None without a validity bitmap.");
  m.def("scale_columns", &scale_table, "columns"_a, "wide"_a, "hi"_a, "lo"_a, "factor"_a,
        "power"_a = nb::none(), "groups"_a = nb::none(), "inverse"_a = false,
        "nan_to_zero"_a = false, "threads"_a = 0,
        "Returns the columns normalized, as float64 where `wide`, else as float32. The tables have "
        "an entry per column or, with the row of each row of data in `groups`, a row per group. "
        "`power` has the exponents of the powers of two to multiply by before.");
}

}  // namespace evenly
