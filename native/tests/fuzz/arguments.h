// What a call is given, made from a record's bytes by the types and names of its parameters alone, so
// that a function needs no line here to be called. Pointers are null or to memory of their own that is
// exactly as large as the caller says: what lies beyond it is poisoned.
#ifndef NVML_MIG_TESTS_FUZZ_ARGUMENTS_H
#define NVML_MIG_TESTS_FUZZ_ARGUMENTS_H

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "abi/simulator_control.h"
#include "known.h"
#include "program.h"

namespace nvml_mig::fuzz {

// What the name of a parameter says about it.
struct Parameter {
  explicit Parameter(std::string_view name);

  bool isCount;    // how much room there is; or where the library writes how much it needs
  bool isTimeout;  // milliseconds that a call may block
};

// "(nvmlDevice_t device, char* name, unsigned int length)"
struct Parameters {
  explicit Parameters(std::string_view list);

  std::vector<Parameter> each;
  bool hasCount = false;
  // MIG's lists write as many as the profile allows, whatever the count was before the call.
  bool isMigList = false;
};

// Where the arguments of one call come from.
struct Source {
  Source(const Record& record, const Parameters& parameters, Known* known)
      : bytes(record), known(known) {
    if (parameters.hasCount) count = kLongest - bytes.Byte() % (kLongest + 1);
    room = !parameters.hasCount ? 1 : parameters.isMigList ? std::max(count, kMigListRoom) : count;
  }
  static constexpr unsigned kMigListRoom = 16;
  static constexpr unsigned kLongest = 128;

  Bytes bytes;
  Known* known;
  unsigned count = 0;  // what the caller says
  unsigned room = 0;   // elements of a list
};

template <class Type>
concept Number = std::integral<Type> || std::is_enum_v<Type>;
// The first byte that stands for the number with all bits set; those below stand for small numbers.
inline constexpr std::uint8_t kAllBits = 208;

template <class Type>
Type MakeNumber(Bytes& bytes) {
  using Word = std::conditional_t<sizeof(Type) == 8, std::uint64_t, std::uint32_t>;
  const std::uint8_t way = bytes.Byte();
  if (way < 128) return static_cast<Type>(way % 16);
  if (way < kAllBits) return static_cast<Type>(way - 128);
  if (way < 232) return static_cast<Type>(~Word{0});
  return static_cast<Type>(bytes.Take<Word>());
}

// Mostly one that was given out, live or not. Else one of another type, one with a bit changed, any
// number, or null.
template <class Handle>
Handle MakeHandle(Source& from) {
  const std::uint8_t way = from.bytes.Byte();
  std::uint64_t bits = 0;
  if (way < 216) {
    bits = from.known->HandleAt<Handle>(way);
  } else if (way < 232) {
    bits = from.known->HandleAt<Handle>(from.bytes.Byte(), 1 + way % 8);
  } else if (way < 244) {
    bits = from.known->HandleAt<Handle>(from.bytes.Byte()) ^ std::uint64_t{1} << from.bytes.Byte() % 64;
  } else if (way < 252) {
    bits = from.bytes.Take<std::uint64_t>();
  }
  return reinterpret_cast<Handle>(bits);
}

// What the memory of a struct or a list holds before the call.
void Fill(Source& from, char* memory, std::size_t bytes);
// A text that was seen, as it was or with one character changed, or any other.
std::string MakeText(Source& from);

inline bool IsNull(Source& from) { return from.bytes.Byte() >= 240; }

// One argument; Keep takes over what the call wrote to it.
template <class Type>
class Argument;

template <Number Type>
class Argument<Type> {
 public:
  Argument(Source& from, const Parameter& parameter) {
    if (parameter.isCount) {
      value_ = static_cast<Type>(from.count);
      if (std::is_signed_v<Type> && from.bytes.Byte() >= 240) value_ = static_cast<Type>(-value_);
    } else if (parameter.isTimeout) {
      value_ = static_cast<Type>(from.bytes.Byte() % 2);
    } else {
      value_ = MakeNumber<Type>(from.bytes);
    }
  }
  Type value() const { return value_; }
  void Keep(Known*) const {}

 private:
  Type value_;
};

template <OpaqueHandle Handle>
class Argument<Handle> {
 public:
  Argument(Source& from, const Parameter&) : value_(MakeHandle<Handle>(from)) {}
  Handle value() const { return value_; }
  void Keep(Known*) const {}

 private:
  Handle value_;
};

template <>
class Argument<const char*> {
 public:
  Argument(Source& from, const Parameter&) {
    if (IsNull(from)) return;
    const std::string text = MakeText(from);
    text_ = std::make_unique<char[]>(text.size() + 1);
    text.copy(text_.get(), text.size());
  }
  const char* value() const { return text_.get(); }
  void Keep(Known*) const {}

 private:
  std::unique_ptr<char[]> text_;
};

// Of NVML's functions only the one that hands out tables takes bytes: a GUID.
template <>
class Argument<const unsigned char*> {
 public:
  Argument(Source& from, const Parameter&) {
    if (IsNull(from)) return;
    guid_ = std::make_unique<unsigned char[]>(sizeof(kSimulatorControlGuid));
    std::memcpy(guid_.get(), kSimulatorControlGuid, sizeof(kSimulatorControlGuid));
    if (from.bytes.Byte() % 2 != 0) guid_[from.bytes.Byte() % 16] ^= from.bytes.Byte();
  }
  const unsigned char* value() const { return guid_.get(); }
  void Keep(Known*) const {}

 private:
  std::unique_ptr<unsigned char[]> guid_;
};

// Bytes that an element of a list has at least. Drivers 535.43 to 535.98 write processes in longer rows
// than their callers expect, and a node may play one.
template <class Item>
inline constexpr std::size_t kRowBytes = sizeof(Item);
template <>
inline constexpr std::size_t kRowBytes<nvmlProcessInfo_v2_t> = sizeof(nvmlProcessDetail_v1_t);

// Memory for a struct, or for a list of what `count` says. A versioned struct is as large as its
// version word says, because so much has a caller that was compiled with that version.
template <class Item>
class Memory {
 public:
  Memory(Source& from, const Parameter& parameter) {
    if (IsNull(from)) return;
    count_ = parameter.isCount || std::is_enum_v<Item> ? 1 : from.room;
    std::size_t bytes = count_ * kRowBytes<Item>;
    unsigned version = 0;
    if constexpr (kIsVersioned) {
      version = MakeVersion(from.bytes);
      const std::size_t said = version & 0xffffff;
      if (count_ == 1 && version >> 24 != 0 && said <= kLargest) bytes = std::max(said, sizeof(version));
    }
    memory_.reset(new char[bytes]);
    Fill(from, memory_.get(), bytes);
    bytes_ = bytes;
    if constexpr (kIsVersioned) Put(0, version);
    if constexpr (Number<Item>) {
      if (parameter.isCount) Put(0, static_cast<Item>(from.count));
    }
    // The one struct that has a list of its own.
    if constexpr (std::is_same_v<Item, nvmlProcessDetailList_v1_t>) {
      const unsigned entries = from.bytes.Byte() % 40u;
      const auto address = reinterpret_cast<char*>(
          (rows_ = std::make_unique<nvmlProcessDetail_v1_t[]>(entries)).get());
      Put(offsetof(Item, numProcArrayEntries), entries);
      Put(offsetof(Item, procArray), IsNull(from) ? nullptr : address);
    }
    if constexpr (kHasPlainVersion) Put(0, from.bytes.Byte() < 240 ? 1u : MakeVersion(from.bytes));
    // The one struct that has handles for the library to read.
    if constexpr (std::is_same_v<Item, nvmlGpmMetricsGet_t>) {
      Put(offsetof(Item, numMetrics), from.bytes.Byte() % 128u);
      Put(offsetof(Item, sample1), MakeHandle<nvmlGpmSample_t>(from));
      Put(offsetof(Item, sample2), MakeHandle<nvmlGpmSample_t>(from));
    }
  }
  Item* get() const { return reinterpret_cast<Item*>(memory_.get()); }

  void Keep(Known* known) const {
    if constexpr (std::is_same_v<Item, char>) {
      const std::string text(memory_.get(), strnlen(memory_.get(), bytes_));
      if (!text.empty()) known->texts.Add(text);
    }
    for (std::size_t at = 0; at + sizeof(Item) <= bytes_ && at < Source::kMigListRoom * sizeof(Item);
         at += sizeof(Item)) {
      Item item;
      std::memcpy(&item, memory_.get() + at, sizeof(Item));
      if constexpr (OpaqueHandle<Item>) known->Add(item);
      if constexpr (requires { known->Add(item.device); }) known->Add(item.device);
      if constexpr (requires { known->Add(item.gpuInstance); }) known->Add(item.gpuInstance);
    }
  }

 private:
  // GPM's structs are as large as their callers' header had them, and their version does not say.
  static constexpr bool kHasPlainVersion =
      std::is_same_v<Item, nvmlGpmMetricsGet_t> || std::is_same_v<Item, nvmlGpmSupport_t>;
  static constexpr bool kIsVersioned = !kHasPlainVersion && requires(Item item) { item.version; };

  static constexpr std::size_t kLargest = 65'536;

  // The struct's own, one of a version that has some members more, or anything.
  static unsigned MakeVersion(Bytes& bytes) {
    const std::uint8_t way = bytes.Byte();
    if (way >= 224) return bytes.Take<std::uint32_t>();
    const unsigned more = way < 160 ? 0 : way / 4 % 4 * 4;
    return static_cast<unsigned>(sizeof(Item) + more) | (1u + way % 4) << 24;
  }
  template <class Value>
  void Put(std::size_t at, Value value) {
    if (at + sizeof(value) <= bytes_) std::memcpy(memory_.get() + at, &value, sizeof(value));
  }

  std::unique_ptr<char[]> memory_;
  std::unique_ptr<nvmlProcessDetail_v1_t[]> rows_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

template <class Type>
  requires(std::is_pointer_v<Type> && !OpaqueHandle<Type>)
class Argument<Type> {
 public:
  Argument(Source& from, const Parameter& parameter) : memory_(from, parameter) {}
  Type value() const { return memory_.get(); }
  void Keep(Known* known) const {
    if (memory_.get() != nullptr && !std::is_const_v<std::remove_pointer_t<Type>>) memory_.Keep(known);
  }

 private:
  Memory<std::remove_const_t<std::remove_pointer_t<Type>>> memory_;
};

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_ARGUMENTS_H
