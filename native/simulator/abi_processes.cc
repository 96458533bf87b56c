// The processes that use a GPU or a MIG device. The three lists and the three forms of each differ in
// which clients they show and in what a row holds.
#include <cstddef>
#include <cstring>

#include "readings.h"

using namespace nvml_mig::simulator;

namespace {

// A client's kind is the number of NVML's process mode.
static_assert(NVML_PROCESS_MODE_COMPUTE == 0 && NVML_PROCESS_MODE_GRAPHICS == 1 &&
              NVML_PROCESS_MODE_MPS == 2 && kClientKinds == 3);

// A form's row: how many bytes of the longest there is.
constexpr std::size_t kRowV1 = sizeof(nvmlProcessInfo_v1_t);
constexpr std::size_t kRowV2 = sizeof(nvmlProcessInfo_v2_t);
constexpr std::size_t kRowWide = sizeof(nvmlProcessDetail_v1_t);
static_assert(offsetof(nvmlProcessDetail_v1_t, usedGpuMemory) ==
                  offsetof(nvmlProcessInfo_v1_t, usedGpuMemory) &&
              offsetof(nvmlProcessDetail_v1_t, gpuInstanceId) ==
                  offsetof(nvmlProcessInfo_v2_t, gpuInstanceId) &&
              offsetof(nvmlProcessDetail_v1_t, computeInstanceId) ==
                  offsetof(nvmlProcessInfo_v2_t, computeInstanceId));

constexpr unsigned kNoId = 0xffffffff;

unsigned IdOf(std::uint8_t recorded) { return recorded == kNone8 ? kNoId : recorded; }

bool IsShown(const Subject& subject, const Client& client, unsigned mode) {
  if (client.pid == 0 || client.gpu != subject.handle.gpu) return false;
  if (mode != NVML_PROCESS_MODE_ALL && client.kind != mode) return false;
  return subject.compute == nullptr || (client.gpuInstance == subject.instance->id &&
                                        client.computeInstance == subject.compute->id);
}

nvmlProcessDetail_v1_t RowOf(const Client& client) {
  nvmlProcessDetail_v1_t row;
  std::memset(static_cast<void*>(&row), 0, sizeof(row));
  row.pid = client.pid;
  row.usedGpuMemory = client.memoryMiB == kNoReading ? ~0ull : client.memoryMiB * kMiB;
  row.gpuInstanceId = IdOf(client.gpuInstance);
  row.computeInstanceId = IdOf(client.computeInstance);
  return row;
}

// `count` is the room at `rows` and becomes what there is. As many bytes of each row as its form has.
nvmlReturn_t GiveProcesses(const Image& image, nvmlDevice_t device, unsigned mode,
                           std::size_t rowBytes, unsigned* count, void* rows) {
  if (count == nullptr || (rows == nullptr && *count != 0)) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (subject.compute == nullptr && !MayReadWhole(subject.view())) return NVML_ERROR_NO_PERMISSION;
  const unsigned room = *count;
  *count = 0;
  for (const Client& client : subject.node.clients) {
    if (!IsShown(subject, client, mode)) continue;
    const unsigned place = (*count)++;
    if (place >= room) continue;
    const nvmlProcessDetail_v1_t row = RowOf(client);
    std::memcpy(static_cast<char*>(rows) + place * rowBytes, &row, rowBytes);
  }
  return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

std::size_t RowBytesOfV3(const Image& image) {
  return image.node().wideProcessRows != 0 ? kRowWide : kRowV2;
}

}  // namespace

#define RUNNING_PROCESSES(kind, mode)                                                           \
  nvmlReturn_t played::nvmlDeviceGet##kind##RunningProcesses(nvmlDevice_t device,               \
                                                             unsigned int* infoCount,           \
                                                             nvmlProcessInfo_v1_t* infos) {     \
    NVML_MIG_ENTER();                                                                           \
    return GiveProcesses(*image, device, mode, kRowV1, infoCount, infos);                       \
  }                                                                                             \
  nvmlReturn_t played::nvmlDeviceGet##kind##RunningProcesses_v2(nvmlDevice_t device,            \
                                                                unsigned int* infoCount,        \
                                                                nvmlProcessInfo_v2_t* infos) {  \
    NVML_MIG_ENTER();                                                                           \
    return GiveProcesses(*image, device, mode, kRowV2, infoCount, infos);                       \
  }                                                                                             \
  nvmlReturn_t played::nvmlDeviceGet##kind##RunningProcesses_v3(nvmlDevice_t device,            \
                                                                unsigned int* infoCount,        \
                                                                nvmlProcessInfo_t* infos) {     \
    NVML_MIG_ENTER();                                                                           \
    return GiveProcesses(*image, device, mode, RowBytesOfV3(*image), infoCount, infos);         \
  }
RUNNING_PROCESSES(Compute, NVML_PROCESS_MODE_COMPUTE)
RUNNING_PROCESSES(Graphics, NVML_PROCESS_MODE_GRAPHICS)
RUNNING_PROCESSES(MPSCompute, NVML_PROCESS_MODE_MPS)

nvmlReturn_t played::nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device,
                                                           nvmlProcessDetailList_v1_t* plist) {
  NVML_MIG_ENTER();
  if (plist == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (plist->version != nvmlProcessDetailList_v1) return VersionMismatch(image->node());
  if (plist->mode > NVML_PROCESS_MODE_ALL) return NVML_ERROR_INVALID_ARGUMENT;
  return GiveProcesses(*image, device, plist->mode, kRowWide, &plist->numProcArrayEntries,
                       plist->procArray);
}

// The name is cut to the room there is, wherever that falls. Of a process that uses no GPU of the node
// nothing is known.
nvmlReturn_t played::nvmlSystemGetProcessName(unsigned int pid, char* name, unsigned int length) {
  NVML_MIG_ENTER();
  if (pid == 0 || name == nullptr || length == 0) return NVML_ERROR_INVALID_ARGUMENT;
  State state;
  image->Read(&state);
  ForgetEndedClients(state.node);
  for (const Client& client : state.node.clients) {
    if (client.pid != pid) continue;
    std::snprintf(name, length, "%s", client.name);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}
