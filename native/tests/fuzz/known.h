// What a program of calls has been told so far and may say itself: handles of things that live or once
// did, and names.
#ifndef NVML_MIG_TESTS_FUZZ_KNOWN_H
#define NVML_MIG_TESTS_FUZZ_KNOWN_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace nvml_mig::fuzz {

template <class Type>
concept Defined = requires { sizeof(Type); };
// A pointer to a struct that nobody defined.
template <class Type>
concept OpaqueHandle = std::is_pointer_v<Type> && std::is_class_v<std::remove_pointer_t<Type>> &&
                       !Defined<std::remove_pointer_t<Type>>;

// The newest few of what was added, each once.
template <class Item>
class Newest {
 public:
  explicit Newest(std::size_t most) : most_(most) {}
  void Add(const Item& item) {
    std::erase(items_, item);
    if (items_.size() == most_) items_.erase(items_.begin());
    items_.push_back(item);
  }
  // The age-th newest, counted around; nullptr when there is none.
  const Item* At(std::size_t age) const {
    return items_.empty() ? nullptr : &items_[items_.size() - 1 - age % items_.size()];
  }

 private:
  std::size_t most_;
  std::vector<Item> items_;
};

class Known {
 public:
  Newest<std::string> texts{16};

  template <OpaqueHandle Handle>
  void Add(Handle handle) {
    const auto bits = reinterpret_cast<std::uint64_t>(handle);
    if (bits != 0) Of(&kType<Handle>).handles.Add(bits);
  }
  // One of the type's own, or, for a caller that mixes them up, of the type that is `next` after it.
  template <OpaqueHandle Handle>
  std::uint64_t HandleAt(std::size_t age, std::size_t next = 0) {
    const Kind& own = Of(&kType<Handle>);
    const std::size_t at = static_cast<std::size_t>(&own - kinds_.data()) + next;
    const std::uint64_t* bits = kinds_[at % kinds_.size()].handles.At(age);
    return bits == nullptr ? 0 : *bits;
  }

 private:
  // A type is told by an address that is its own.
  template <class Handle>
  static constexpr char kType = 0;
  struct Kind {
    const char* type;
    Newest<std::uint64_t> handles{24};
  };
  Kind& Of(const char* type) {
    const auto found =
        std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& it) { return it.type == type; });
    return found == kinds_.end() ? kinds_.emplace_back(Kind{type}) : *found;
  }
  std::vector<Kind> kinds_;
};

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_KNOWN_H
