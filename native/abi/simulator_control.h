// How lib/simulator reaches a live node: nvmlInternalGetExportTable of a node's own library hands
// this table out for kSimulatorControlGuid, so the copy in the node's directory interprets its own
// image. For any other GUID that function hands out an empty table, as clients of the driver expect.
// The table works without nvmlInit and leaves nothing initialised.
#ifndef NVML_MIG_ABI_SIMULATOR_CONTROL_H
#define NVML_MIG_ABI_SIMULATOR_CONTROL_H

#include "nvml_abi.h"

inline constexpr unsigned char kSimulatorControlGuid[16] = {0x6e, 0x76, 0x6d, 0x6c, 0x2d, 0x6d,
                                                            0x69, 0x67, 0x73, 0x69, 0x6d, 0x00,
                                                            0x8a, 0x1f, 0x3c, 0x03};

// What can be done to the world around the GPUs of a node, with the arguments that each takes.
// kSimulatorNone stands for "no instance". A value of 64 bits is two arguments, its low half first.
// "name" is the command's text.
enum SimulatorCommand : unsigned {
  kSimulatorReset = 1,          // (gpu) what `nvidia-smi -r` does
  kSimulatorReboot = 2,         // () the machine (or virtual machine) restarts
  kSimulatorReloadDriver = 3,   // () kernel modules unloaded and loaded again; this one and the last
                                //  take node.image.next, if there is one, for the node's image
  kSimulatorSetRights = 4,      // (rights) k…Right of the image's layout, of all callers
  kSimulatorStartClient = 5,    // (gpu, gpu instance, compute instance, pid, kind, memory MiB,
                                //  SimulatorFollow) name; says "followed" if it ends with a process
  kSimulatorStopClient = 6,     // (gpu, gpu instance, compute instance, pid, kind)
  kSimulatorRetire = 7,         // () the node is closed: later changes fail, reads go on
  kSimulatorCheck = 8,          // () the rules checked against the state
  kSimulatorSetReading = 9,     // (gpu, number of a word of Readings, value in two)
  kSimulatorRaiseEvent = 10,    // (gpu, type, data in two, gpu instance, compute instance)
  kSimulatorSetActivity = 11,   // (gpu, gpu instance, index of the metric, bits of a double in two)
  kSimulatorSetHealth = 12,     // (gpu, 0 or the code of every call about it, the one that it must
                                //  have until then; kSimulatorNone: any)
  kSimulatorInject = 13,        // (1: any function, pid, first, times, chance of 2^32, seed,
                                //  SimulatorFaultAction, value, after) function; says the fault's id.
                                //  Times and chance: kSimulatorNone for each call
  kSimulatorRemoveFault = 14,   // (id in two) says what it reported last
  kSimulatorReleaseFault = 15,  // (id in two) what hangs in it goes on
  kSimulatorReportFault = 16,   // (id in two) says "matched fired", two decimal numbers
  kSimulatorSetMode = 17,       // (gpu, current, pending) MIG mode, whatever stands against it
  kSimulatorPlaceGpuInstance = 18,      // (gpu, profile id, start) says its id
  kSimulatorPlaceComputeInstance = 19,  // (gpu, gpu instance, profile id, start, id)
  kSimulatorDescribe = 20,      // () says the version of the driver that is loaded
  kSimulatorFindDevice = 21,    // (gpu, gpu instance, compute instance) whether there is one
  kSimulatorReportHealth = 22,  // (gpu) says 0 or the code of every call about it
};
inline constexpr unsigned kSimulatorMaxArguments = 12;
inline constexpr unsigned kSimulatorNone = 0xffffffffu;

enum SimulatorFaultAction : unsigned {
  kSimulatorReturn = 1,  // value: the code
  kSimulatorDelay = 2,   // value: milliseconds
  kSimulatorHang = 3,    // until the fault is released or removed
  kSimulatorKill = 4,    // the calling process, at once
  kSimulatorBusy = 5,    // value: microseconds that the thread does not give its processor away
};

// Whether a client is a process of this machine, with whose end it is gone.
enum SimulatorFollow : unsigned {
  kSimulatorSimulated = 0,
  kSimulatorReal = 1,  // there must be such a process
  kSimulatorRealIfItLives = 2,
};

struct SimulatorControl {
  unsigned long long bytes;  // sizeof(SimulatorControl); the first word of every export table
  // Carries one command out, whose arguments are kSimulatorMaxArguments words and perhaps a name.
  // `text` receives what the command says when it succeeds, and otherwise a sentence that says why
  // it did not.
  nvmlReturn_t (*command)(SimulatorCommand command, const unsigned* arguments, const char* name,
                          char* text, unsigned length);
  // Calls of an exported function since the node was made, of all processes that may write its image,
  // and of this one; ~0 if unknown.
  unsigned long long (*calls)(const char* function);
};

#endif  // NVML_MIG_ABI_SIMULATOR_CONTROL_H
