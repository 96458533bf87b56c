// A monitoring agent as another program: LIBRARY FOLDER SEED. Listens for Xids and layout changes of
// GPU 0; says "listening", then for each line of its input the next event as one line of JSON, until its
// input ends.
#include <iostream>
#include <string>

#include "nvml.h"
#include "support.h"

using namespace nvml_mig::image_tests;

namespace {

constexpr unsigned kPatience = 60'000;

void Must(nvmlReturn_t code, const char* what) {
  EXPECT(code == NVML_SUCCESS, "%s answered %d", what, static_cast<int>(code));
}

}  // namespace

int main(int, char** arguments) {
  const Nvml nvml = Functions(Load(arguments[1]));
  nvmlDevice_t gpu;
  nvmlEventSet_t set;
  Must(nvml.nvmlInit_v2(), "nvmlInit_v2");
  Must(nvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu), "nvmlDeviceGetHandleByIndex_v2");
  Must(nvml.nvmlEventSetCreate(&set), "nvmlEventSetCreate");
  Must(nvml.nvmlDeviceRegisterEvents(
           gpu, nvmlEventTypeXidCriticalError | nvmlEventMigConfigChange, set),
       "nvmlDeviceRegisterEvents");
  std::cout << "\"listening\"" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    nvmlEventData_t event;
    Must(nvml.nvmlEventSetWait_v2(set, &event, kPatience), "nvmlEventSetWait_v2");
    std::cout << "{\"type\":" << event.eventType << ",\"data\":" << event.eventData
              << ",\"gpuInstanceId\":" << event.gpuInstanceId
              << ",\"computeInstanceId\":" << event.computeInstanceId << "}" << std::endl;
  }
  Must(nvml.nvmlEventSetFree(set), "nvmlEventSetFree");
  Must(nvml.nvmlShutdown(), "nvmlShutdown");
}
