// Mutations that know what a record is; what happens inside one is libFuzzer's.
#include <random>

#include "arguments.h"
#include "calls.h"
#include "damage.h"
#include "node.h"
#include "program.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t room);

namespace nvml_mig::fuzz {
namespace {

constexpr std::size_t kMostEdits = 16;

class Mutator {
 public:
  Mutator(Program* program, unsigned seed) : program_(*program), random_(seed) {}

  void Mutate() {
    std::vector<Record>& records = program_.records;
    switch (records.empty() ? Below(3) : Below(14)) {
      case 0:
        MutateHead();
        break;
      case 1:
      case 2:
        records.insert(records.begin() + Index(records.size() + 1), NewRecord());
        break;
      case 3:
        records.erase(records.begin() + Index(records.size()));
        break;
      case 4:
        records.insert(records.begin() + Index(records.size() + 1), Record(Any()));
        break;
      case 5:
        std::swap(Any(), Any());
        break;
      case 6:
        Any().number = NewNumber();
        break;
      case 7:
      case 8:
        Any().bytes[Below(sizeof(Record::bytes))] = Usual();
        break;
      default:
        MutateBytes(&Any());
    }
  }

 private:
  std::size_t Below(std::size_t limit) { return random_() % limit; }
  std::ptrdiff_t Index(std::size_t count) { return static_cast<std::ptrdiff_t>(Below(count)); }
  Record& Any() { return program_.records[Below(program_.records.size())]; }

  // Every function and every field is as likely, however far its neighbours on the ring are.
  std::uint32_t NewNumber() {
    return program_.head.edits != 0 && Below(2) == 0 ? FieldNumber(random_())
                                                     : Calls().NumberOf(Below(Calls().size()));
  }
  Record NewRecord() {
    Record record = {NewNumber(), {}};
    for (std::uint8_t& byte : record.bytes) {
      byte = Below(3) == 0 ? static_cast<std::uint8_t>(random_()) : Usual();
    }
    return record;
  }
  // A byte that means what most calls that lead somewhere have: a small number, the newest handle, or
  // the number that has all bits set.
  std::uint8_t Usual() {
    return Below(4) == 0 ? kAllBits : static_cast<std::uint8_t>(Below(Below(2) == 0 ? 3 : 16));
  }
  void MutateHead() {
    Head& head = program_.head;
    switch (Below(4)) {
      case 0:
        head.flags ^= static_cast<std::uint8_t>(1u << Below(4));
        break;
      case 1:
        head.edits = static_cast<std::uint8_t>(Below(kMostEdits));
        break;
      default:
        head.node = Nodes().NumberOf(Below(Nodes().size()));
    }
  }
  void MutateBytes(Record* record) {
    const std::size_t from = Below(2) == 0 ? 0 : Below(sizeof(record->bytes));
    LLVMFuzzerMutate(record->bytes + from, sizeof(record->bytes) - from, sizeof(record->bytes) - from);
  }

  Program& program_;
  std::minstd_rand random_;
};

}  // namespace
}  // namespace nvml_mig::fuzz

using namespace nvml_mig::fuzz;

// Before the first input, so that none is charged for it.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  static_cast<void>(Nodes());
  static_cast<void>(Calls());
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t room,
                                               unsigned seed) {
  Program program = Program::Read(data, size);
  Mutator(&program, seed).Mutate();
  return program.Write(data, room);
}

// The first records of one and the last of another.
extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t firstSize,
                                                 const std::uint8_t* second, std::size_t secondSize,
                                                 std::uint8_t* out, std::size_t room, unsigned seed) {
  std::minstd_rand random(seed);
  Program program = Program::Read(first, firstSize);
  const std::vector<Record> others = Program::Read(second, secondSize).records;
  program.records.resize(random() % (program.records.size() + 1));
  const auto from = others.begin() + static_cast<std::ptrdiff_t>(random() % (others.size() + 1));
  program.records.insert(program.records.end(), from, others.end());
  return program.Write(out, room);
}
