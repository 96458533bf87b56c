#include "processes.h"

#include <algorithm>
#include <cstring>

#include "text.h"

namespace nvml {
namespace {

// How often a list is asked for again that grew meanwhile.
constexpr unsigned kAttempts = 5;
// More than a machine can run; a library that says so is not believed.
constexpr unsigned kMostRows = 1u << 22;
// NVML cuts a name to the room there is.
constexpr unsigned kNameBytes = 256;
// The longest row that any driver has been seen to write; see list_by_forms.
constexpr std::size_t kRoomPerRow = sizeof(nvmlProcessDetail_v1_t);

Process process_of(const nvmlProcessInfo_v1_t& row) {
  Process process;
  process.pid = row.pid;
  process.memory_bytes = row.usedGpuMemory;
  return process;
}

Process process_of(const nvmlProcessInfo_v2_t& row) {
  Process process;
  process.pid = row.pid;
  process.memory_bytes = row.usedGpuMemory;
  process.gpu_instance_id = row.gpuInstanceId;
  process.compute_instance_id = row.computeInstanceId;
  return process;
}

// Asks how many there are, then for them, with room for some that come meanwhile.
template <typename Row, typename Call>
Status list_rows(const Call& call, nvmlDevice_t device, std::vector<Process>* processes) {
  unsigned count = 0;
  Status status = call(device, &count, nullptr);
  std::vector<std::byte> rows;
  for (unsigned i = 0; i < kAttempts && status.code == NVML_ERROR_INSUFFICIENT_SIZE; i++) {
    if (count > kMostRows) break;
    count = 2 * count + 5;
    rows.assign(count * kRoomPerRow, std::byte{0});
    status = call(device, &count, reinterpret_cast<Row*>(rows.data()));
  }
  if (!status.ok()) return status;
  for (unsigned i = 0; i < count && (i + 1) * sizeof(Row) <= rows.size(); i++) {
    Row row;
    std::memcpy(&row, rows.data() + i * sizeof row, sizeof row);
    processes->push_back(process_of(row));
  }
  return {};
}

// The newest form of a list that this library is known to fill as its header says: 535.43 to 535.98
// write wider rows into the third form than any header has. The second, which tells the same, is taken
// from every driver without nvmlDeviceGetRunningProcessDetailList: that came with the repair.
template <typename Third, typename Second, typename First>
Status list_by_forms(const Library& nvml, nvmlDevice_t device, const Third& third,
                     const Second& second, const First& first, std::vector<Process>* processes) {
  if (nvml.nvmlDeviceGetRunningProcessDetailList.exported()) {
    const Status status = list_rows<nvmlProcessInfo_t>(third, device, processes);
    if (!status.wants_older_form()) return status;
  }
  const Status status = list_rows<nvmlProcessInfo_v2_t>(second, device, processes);
  if (!status.wants_older_form()) return status;
  return list_rows<nvmlProcessInfo_v1_t>(first, device, processes);
}

Status list_by_kind(const Library& nvml, nvmlDevice_t device, ProcessKind kind,
                    std::vector<Process>* processes) {
  switch (kind) {
    case ProcessKind::kCompute:
      return list_by_forms(nvml, device, nvml.nvmlDeviceGetComputeRunningProcesses_v3,
                           nvml.nvmlDeviceGetComputeRunningProcesses_v2,
                           nvml.nvmlDeviceGetComputeRunningProcesses, processes);
    case ProcessKind::kGraphics:
      return list_by_forms(nvml, device, nvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
                           nvml.nvmlDeviceGetGraphicsRunningProcesses_v2,
                           nvml.nvmlDeviceGetGraphicsRunningProcesses, processes);
    case ProcessKind::kMps:
      return list_by_forms(nvml, device, nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3,
                           nvml.nvmlDeviceGetMPSComputeRunningProcesses_v2,
                           nvml.nvmlDeviceGetMPSComputeRunningProcesses, processes);
  }
  return {NVML_ERROR_INVALID_ARGUMENT};
}

}  // namespace

Status list_processes(const Library& nvml, nvmlDevice_t device, ProcessKind kind,
                      std::vector<Process>* processes) {
  const Status status = list_by_kind(nvml, device, kind, processes);
  if (!status.ok()) return status;
  for (Process& process : *processes) {
    char name[kNameBytes] = {};
    process.name.status = nvml.nvmlSystemGetProcessName(process.pid, name, sizeof name);
    process.name.value = text_of(name);
  }
  return {};
}

}  // namespace nvml
