#include "calls.h"

#include <cstring>
#include <tuple>
#include <utility>

#include "arguments.h"
#include "node.h"
#include "simulator/exported.h"
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
void Add(Ring<Call>* ring, const char* name, const char* list, Result (*function)(Types...)) {
  const Parameters parameters(list);
  MUST(parameters.each.size() == sizeof...(Types), "%s: the names of %s are not understood.", name, list);
  ring->Add(name, [=](const Record& record, Known* known) {
    return Invoke(name, function, parameters, record, known);
  });
}

Ring<Call> MakeCalls() {
  Ring<Call> ring;
#define NVML_SYMBOL(name, result, list) Add(&ring, #name, #list, name);
#define NVML_CLIENT_SYMBOL(name, result, list) Add(&ring, #name, #list, name);
#include "abi/symbols.h"
  ring.Add("node replaced", [](const Record& record, Known*) {
    Place(Nodes().At(Bytes(record).Take<std::uint32_t>()).image);
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
  Add(&ring, "command",
      "(SimulatorCommand command, unsigned a, unsigned b, unsigned c, unsigned d, char* text, "
      "unsigned length)", Control().command);
  Add(&ring, "calls", "(const char* function)", Control().calls);
  return ring;
}

}  // namespace

const Ring<Call>& Calls() {
  static const Ring<Call> calls = MakeCalls();
  return calls;
}

const SimulatorControl& Control() {
  const void* table = nullptr;
  MUST(nvmlInternalGetExportTable(&table, kSimulatorControlGuid) == NVML_SUCCESS, "No control table.");
  return *static_cast<const SimulatorControl*>(table);
}

nvmlReturn_t Command(SimulatorCommand command, std::string* sentence) {
  char text[512] = "";
  const nvmlReturn_t code = Control().command(command, 0, 0, 0, 0, text, sizeof(text));
  *sentence = text;
  return code;
}

void ShutDown() {
  while (simulator::InitialisedImage() != nullptr) nvmlShutdown();
}

}  // namespace nvml_mig::fuzz
