// The reader of images on damaged ones, most with checksums that fit: one is refused with one sentence,
// always the same, or everything that can be called works on it.
#include "calls.h"
#include "client.h"
#include "damage.h"
#include "node.h"
#include "program.h"
#include "simulator/exported.h"

using namespace nvml_mig::fuzz;

const std::size_t nvml_mig::fuzz::kSectionGap = 0;

namespace {

void CheckRefusal(nvmlReturn_t code) {
  std::string sentence;
  const nvmlReturn_t again = Command(kSimulatorCheck, {}, &sentence);
  MUST(again == code, "Init answered %d, and then %d.", code, again);
  MUST(sentence.size() > 1 && sentence.back() == '.' && sentence.find('\n') == std::string::npos,
       "A refusal is no sentence: '%s'", sentence.c_str());
}

// An image that was taken once is taken again, as long as it is there.
bool Initialise() {
  EndFaults();
  const nvmlReturn_t code = nvmlInit_v2();
  if (code == NVML_ERROR_DRIVER_NOT_LOADED && !IsPlaced()) return false;
  MUST(code == NVML_SUCCESS, "The image was taken, and then init answers %d.", code);
  return true;
}

// Each function with the newest handles there are.
void CallEach(Known* known) {
  for (std::size_t i = 0; i < Calls().size(); i++) {
    const std::uint32_t number = Calls().NumberOf(i);
    if (Calls().At(number)({number, {}}, known) != NVML_ERROR_UNINITIALIZED) continue;
    if (!Initialise()) return;
    Calls().At(number)({number, {}}, known);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Program program = Program::Read(data, size);
  const Node& node = Nodes().At(program.head.node);
  const std::size_t edits = std::min<std::size_t>(program.head.edits, program.records.size());
  Files files = node.files;
  for (std::size_t i = 0; i < edits; i++) Damage(program.records[i], node.files, &files);
  Disarm(&files.image);
  Seal(program.head, &files.image);
  Place(files);

  Known known = node.known;
  const nvmlReturn_t code = nvmlInit_v2();
  if (code != NVML_SUCCESS) {
    CheckRefusal(code);
    return 0;
  }
  for (std::size_t i = edits; i < program.records.size(); i++) {
    Calls().At(program.records[i].number)(program.records[i], &known);
  }
  if (!Initialise()) return 0;
  BringToLife();
  CallEach(&known);
  if (!Initialise()) return 0;
  std::string sentence;
  MUST(Command(kSimulatorCheck, {}, &sentence) == NVML_SUCCESS, "After the calls: %s", sentence.c_str());
  ShutDown();
  return 0;
}
