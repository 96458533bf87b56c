// The exported functions with random handles and pointers to valid memory, on a sound node. Whatever is
// called, nothing breaks, nothing answers that it does not know, and the node stays a possible one.
#include "calls.h"
#include "node.h"
#include "program.h"
#include "simulator/exported.h"
#include "simulator/library.h"
#include "tests/image/audit.h"

using namespace nvml_mig::fuzz;

// Further than an index leads that is taken from a handle.
const std::size_t nvml_mig::fuzz::kSectionGap = 32 * 1024;

namespace {

void CheckNode() {
  using namespace nvml_mig::simulator;
  std::string sentence;
  EndFaults();
  const nvmlReturn_t code = nvmlInit_v2();
  if (code == NVML_ERROR_DRIVER_NOT_LOADED && !IsPlaced()) return;
  MUST(code == NVML_SUCCESS, "After the calls init answers %d.", code);
  MUST(Command(kSimulatorCheck, {}, &sentence) == NVML_SUCCESS, "After the calls: %s", sentence.c_str());
  // By rules that are written down a second time.
  const Image& image = *InitialisedImage();
  State state;
  Reason reason;
  image.Read(&state);
  MUST(nvml_mig::image_tests::StateIsGood(image, state, &reason), "After the calls: %s", reason.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Program program = Program::Read(data, size);
  const Node& node = Nodes().At(program.head.node);
  Restore(node);
  Known known = node.known;
  if ((program.head.flags & kNotInitialised) == 0) {
    MUST(nvmlInit_v2() == NVML_SUCCESS, "A sound node is refused.");
  }
  for (const Record& record : program.records) {
    MUST(Calls().At(record.number)(record, &known) != NVML_ERROR_UNKNOWN, "%s does not know.",
         Calls().NameAt(record.number));
  }
  CheckNode();
  ShutDown();
  return 0;
}
