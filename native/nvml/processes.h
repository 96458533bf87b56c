// The processes that use a GPU or a MIG device, as NVML's lists have them.
#ifndef NVML_MIG_NVML_PROCESSES_H
#define NVML_MIG_NVML_PROCESSES_H

#include <string>
#include <vector>

#include "library.h"

namespace nvml {

// Each kind has a list of its own.
enum class ProcessKind { kCompute, kGraphics, kMps };

inline constexpr unsigned long long kUnknownBytes = ~0ull;

struct Process {
  unsigned pid = 0;
  unsigned gpu_instance_id = kNone;  // kNone outside MIG mode, and from drivers that do not say
  unsigned compute_instance_id = kNone;
  unsigned long long memory_bytes = kUnknownBytes;  // kUnknownBytes where NVML says "not available"
  Told<std::string> name;
};

Status list_processes(const Library& nvml, nvmlDevice_t device, ProcessKind kind,
                      std::vector<Process>* processes);

}  // namespace nvml

#endif  // NVML_MIG_NVML_PROCESSES_H
