// What an input is: a head, then records of one size, so that a mutation of one leaves the others what
// they are. A record stands for a call or, in the first records of the target of images, for damage.
#ifndef NVML_MIG_TESTS_FUZZ_PROGRAM_H
#define NVML_MIG_TESTS_FUZZ_PROGRAM_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace nvml_mig::fuzz {

struct Head {
  std::uint32_t node;  // which node: a number of NodeRing
  std::uint8_t flags;
  std::uint8_t edits;  // so many records are damage
  std::uint8_t unused[2];
};
// By default all checksums fit the damage, as no accident would leave it.
inline constexpr unsigned kStaleHeader = 1, kStaleBoards = 2, kStaleSlots = 4;
// The calls begin before nvmlInit.
inline constexpr unsigned kNotInitialised = 8;

struct Record {
  std::uint32_t number;  // which function, or which field
  std::uint8_t bytes[28];
};

// A record's bytes, one after the other and then again from the first.
class Bytes {
 public:
  explicit Bytes(const Record& record) : bytes_(record.bytes) {}

  std::uint8_t Byte() { return bytes_[at_++ % sizeof(Record::bytes)]; }
  template <class Word>
  Word Take() {
    Word word = 0;
    for (std::size_t i = 0; i < sizeof(Word); i++) {
      word = static_cast<Word>(word | static_cast<Word>(Byte()) << 8 * i);
    }
    return word;
  }

 private:
  const std::uint8_t* bytes_;
  std::size_t at_ = 0;
};

struct Program {
  Head head = {};
  std::vector<Record> records;

  static Program Read(const std::uint8_t* data, std::size_t size) {
    Program program;
    std::memcpy(&program.head, data, std::min(size, sizeof(Head)));
    for (std::size_t at = sizeof(Head); at < size; at += sizeof(Record)) {
      std::memcpy(&program.records.emplace_back(), data + at, std::min(size - at, sizeof(Record)));
    }
    return program;
  }
  // At most `room` bytes of it; returns how many.
  std::size_t Write(std::uint8_t* data, std::size_t room) const {
    if (room < sizeof(Head)) return 0;
    std::memcpy(data, &head, sizeof(Head));
    const std::size_t count = std::min(records.size(), (room - sizeof(Head)) / sizeof(Record));
    if (count != 0) std::memcpy(data + sizeof(Head), records.data(), count * sizeof(Record));
    return sizeof(Head) + count * sizeof(Record);
  }
};

// Ends the run with a sentence; libFuzzer keeps the input.
[[noreturn]] __attribute__((format(printf, 1, 2))) void Fail(const char* format, ...);
#define MUST(condition, ...) \
  do {                       \
    if (!(condition)) ::nvml_mig::fuzz::Fail(__VA_ARGS__); \
  } while (0)

}  // namespace nvml_mig::fuzz
#endif  // NVML_MIG_TESTS_FUZZ_PROGRAM_H
