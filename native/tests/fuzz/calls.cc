#include "calls.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>

#include "arguments.h"
#include "node.h"
#include "simulator/exported.h"
#include "simulator/fault_records.h"
#include "simulator/library.h"

// The functions that answer NOT_SUPPORTED have names and no parameters.
#define UNMODELLED(name) extern "C" nvmlReturn_t name();
#include "simulator/unmodelled.inc"

namespace nvml_mig::fuzz {
namespace {

constexpr nvmlReturn_t (*kUnmodelled[])() = {
#define UNMODELLED(name) name,
#include "simulator/unmodelled.inc"
};

nvmlReturn_t Checked(const char* name, nvmlReturn_t code) {
  const auto number = static_cast<unsigned>(code);
  MUST(number <= NVML_ERROR_RESET_TYPE_NOT_SUPPORTED || code == NVML_ERROR_UNKNOWN,
       "%s answered %u, which is no code of NVML.", name, number);
  return code;
}
nvmlReturn_t Checked(const char* name, const char* text) {
  MUST(text != nullptr && std::strlen(text) != 0, "%s answered no text.", name);
  return NVML_SUCCESS;
}
nvmlReturn_t Checked(const char*, unsigned long long) { return NVML_SUCCESS; }

template <class Result, class... Types>
nvmlReturn_t Invoke(const char* name, Result (*function)(Types...), const Parameters& parameters,
                    const Record& record, Known* known) {
  Source source(record, parameters, known);
  auto parameter = parameters.each.begin();
  // Braces, so that they are made in this order.
  std::tuple<Argument<Types>...> arguments{Argument<Types>(source, *parameter++)...};
  const nvmlReturn_t code = Checked(
      name, std::apply([&](auto&... each) { return function(each.value()...); }, arguments));
  std::apply([&](auto&... each) { (each.Keep(known), ...); }, arguments);
  return code;
}

template <class Result, class... Types>
void Add(Ring<Call>* ring, const std::string& name, const char* list, Result (*function)(Types...)) {
  const Parameters parameters(list);
  MUST(parameters.each.size() == sizeof...(Types), "%s: the names in %s are not understood.",
       name.c_str(), list);
  ring->Add(name, [=](const Record& record, Known* known) {
    return Invoke(name.c_str(), function, parameters, record, known);
  });
}

const SimulatorControl& Control() {
  // Asked for once: a fault that an input injects may strike this function, too.
  static const void* const table = [] {
    const void* it = nullptr;
    MUST(nvmlInternalGetExportTable(&it, kSimulatorControlGuid) == NVML_SUCCESS, "No control table.");
    return it;
  }();
  return *static_cast<const SimulatorControl*>(table);
}

// A fault returns a code of NVML: one that kills or hangs would end the program that is fuzzed.
void Tame(unsigned command, unsigned* words) {
  if (command != kSimulatorInject) return;
  words[6] = kSimulatorReturn;
  words[7] %= NVML_ERROR_RESET_TYPE_NOT_SUPPORTED + 1;
}

// A wait is no longer than a blink.
constexpr unsigned kLongestWait = 2;
nvmlReturn_t Wait(nvmlEventSet_t set, nvmlEventData_v1_t* data, unsigned timeoutms) {
  return nvmlEventSetWait(set, data, timeoutms % (kLongestWait + 1));
}
nvmlReturn_t Wait_v2(nvmlEventSet_t set, nvmlEventData_t* data, unsigned timeoutms) {
  return nvmlEventSetWait_v2(set, data, timeoutms % (kLongestWait + 1));
}
template <class Function>
Function* Tamed(Function* function) { return function; }
auto Tamed(decltype(&nvmlEventSetWait)) { return Wait; }
auto Tamed(decltype(&nvmlEventSetWait_v2)) { return Wait_v2; }

// One command by itself; the table's own function takes its words as one list, which always has
// kSimulatorMaxArguments. The last ones no command has.
template <unsigned command>
nvmlReturn_t CommandOf(unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f,
                       unsigned g, unsigned h, unsigned i, const char* name, char* text,
                       unsigned length) {
  unsigned words[kSimulatorMaxArguments] = {a, b, c, d, e, f, g, h, i};
  Tame(command, words);
  return Control().command(static_cast<SimulatorCommand>(command), words, name, text, length);
}

// More than there are: what is no command is asked for, too.
template <unsigned... commands>
void AddCommands(Ring<Call>* ring, std::integer_sequence<unsigned, commands...>) {
  (Add(ring, "command " + std::to_string(commands),
       "(unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned g, "
       "unsigned h, unsigned i, const char* name, char* text, unsigned length)",
       CommandOf<commands>), ...);
}

Ring<Call> MakeCalls() {
  Ring<Call> ring;
#define NVML_SYMBOL(name, result, list) Add(&ring, #name, #list, Tamed(name));
#define NVML_CLIENT_SYMBOL(name, result, list) Add(&ring, #name, #list, Tamed(name));
#include "abi/symbols.h"
  ring.Add("node replaced", [](const Record& record, Known*) {
    Place(Nodes().At(Bytes(record).Take<std::uint32_t>()).files);
    return NVML_SUCCESS;
  });
  ring.Add("node removed", [](const Record&, Known*) {
    RemovePlaced();
    return NVML_SUCCESS;
  });
  ring.Add("unmodelled", [](const Record& record, Known*) {
    const std::uint32_t which = Bytes(record).Take<std::uint32_t>();
    return Checked("an unmodelled function", kUnmodelled[which % std::size(kUnmodelled)]());
  });
  AddCommands(&ring, std::make_integer_sequence<unsigned, 24>());
  Add(&ring, "calls", "(const char* function)", Control().calls);
  return ring;
}

}  // namespace

const Ring<Call>& Calls() {
  static const Ring<Call> calls = MakeCalls();
  return calls;
}

nvmlReturn_t Command(SimulatorCommand command, const std::vector<unsigned>& arguments,
                     std::string* sentence) {
  unsigned words[kSimulatorMaxArguments] = {};
  std::copy(arguments.begin(), arguments.end(), words);
  char text[512] = "";
  const nvmlReturn_t code = Control().command(command, words, nullptr, text, sizeof(text));
  if (sentence != nullptr) *sentence = text;
  return code;
}

void EndFaults() {
  const simulator::PreInitImage opened;
  if (opened.get() == nullptr) return;
  for (unsigned place = 0; place < simulator::kMaxFaults; place++) {
    simulator::Fault fault;
    simulator::Reason reason;
    if (simulator::ReadFault(*opened.get(), place, &fault)) {
      simulator::RemoveFault(*opened.get(), fault.id, &reason);
    }
  }
}

void ShutDown() {
  EndFaults();
  while (simulator::InitialisedImage() != nullptr) nvmlShutdown();
}

}  // namespace nvml_mig::fuzz
