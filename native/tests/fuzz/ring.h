// Names that an input picks by number. A name's place among all numbers follows from the name alone,
// and a number stands for the next name at or after it. So the kept inputs mean the same when names are
// added, but for the few numbers that now meet a new one first.
#ifndef NVML_MIG_TESTS_FUZZ_RING_H
#define NVML_MIG_TESTS_FUZZ_RING_H

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nvml_mig::fuzz {

inline std::uint32_t PlaceOf(std::string_view name) {
  std::uint32_t hash = 0x811c9dc5u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193u;
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  return hash ^ hash >> 13;
}

template <class Item>
class Ring {
 public:
  void Add(std::string_view name, Item item) {
    const std::uint32_t place = PlaceOf(name);
    items_.insert(Next(items_, place), {place, std::string(name), std::move(item)});
  }
  const Item& At(std::uint32_t number) const { return PlacedAt(number).item; }
  const char* NameAt(std::uint32_t number) const { return PlacedAt(number).name.c_str(); }
  std::size_t size() const { return items_.size(); }
  // Of each item by itself: a number that stands for it.
  std::uint32_t NumberOf(std::size_t index) const { return items_[index].place; }

 private:
  struct Placed {
    std::uint32_t place;
    std::string name;
    Item item;
  };

  const Placed& PlacedAt(std::uint32_t number) const {
    const auto next = Next(items_, number);
    return next == items_.end() ? items_.front() : *next;
  }
  template <class Items>
  static auto Next(Items& items, std::uint32_t number) {
    return std::lower_bound(items.begin(), items.end(), number,
                            [](const auto& item, std::uint32_t it) { return item.place < it; });
  }
  std::vector<Placed> items_;
};

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_RING_H
