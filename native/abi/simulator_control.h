// How lib/simulator reaches a live node: nvmlInternalGetExportTable of a node's own library hands
// this table out for kSimulatorControlGuid, so the copy in the node's directory interprets its own
// image. For any other GUID that function hands out an empty table, as clients of the driver expect.
// The table works without nvmlInit and leaves nothing initialised.
#ifndef NVML_MIG_ABI_SIMULATOR_CONTROL_H
#define NVML_MIG_ABI_SIMULATOR_CONTROL_H

#include "nvml_abi.h"

inline constexpr unsigned char kSimulatorControlGuid[16] = {0x6e, 0x76, 0x6d, 0x6c, 0x2d, 0x6d,
                                                            0x69, 0x67, 0x73, 0x69, 0x6d, 0x00,
                                                            0x8a, 0x1f, 0x3c, 0x02};

// What can be done to the world around the GPUs of a node, with the arguments that each takes.
// kSimulatorNone stands for "no instance".
enum SimulatorCommand : unsigned {
  kSimulatorReset = 1,          // (gpu) what `nvidia-smi -r` does
  kSimulatorReboot = 2,         // () the machine (or virtual machine) restarts
  kSimulatorReloadDriver = 3,   // () kernel modules unloaded and loaded again
  kSimulatorSetPrivileged = 4,  // (on) whether callers have root's rights
  kSimulatorStartClient = 5,    // (gpu, gpu instance, compute instance, pid, kind, memory MiB)
  kSimulatorStopClient = 6,     // (gpu, gpu instance, compute instance, pid, kind)
  kSimulatorRetire = 7,         // () the node is closed: later changes fail, reads go on
  kSimulatorCheck = 8,          // () the rules checked against the state; text: what is wrong
  kSimulatorSetReading = 9,     // (gpu, number of a word of Readings, its low half, its high half)
};
inline constexpr unsigned kSimulatorMaxArguments = 6;
inline constexpr unsigned kSimulatorNone = 0xffffffffu;

struct SimulatorControl {
  unsigned long long bytes;  // sizeof(SimulatorControl); the first word of every export table
  // Carries one command out, whose arguments are kSimulatorMaxArguments words. text receives a
  // sentence when the result is not NVML_SUCCESS.
  nvmlReturn_t (*command)(SimulatorCommand command, const unsigned* arguments, char* text,
                          unsigned length);
  // Calls of an exported function in this process since the library was loaded; ~0 if unknown.
  unsigned long long (*calls)(const char* function);
};

#endif  // NVML_MIG_ABI_SIMULATOR_CONTROL_H
