// NVML as this client sees it: declarations written down a second time, from the sizes, offsets and
// codes that were read out of NVIDIA's headers, so that a slip in those of the simulator shows.
// Every function is a pointer that load() looks up by name, as clients do that dlopen the library;
// one that the release does not export stays NULL.
#ifndef CONTRACT_NVML_H
#define CONTRACT_NVML_H

enum {
  NVML_SUCCESS = 0,
  NVML_ERROR_UNINITIALIZED = 1,
  NVML_ERROR_INVALID_ARGUMENT = 2,
  NVML_ERROR_NOT_SUPPORTED = 3,
  NVML_ERROR_NO_PERMISSION = 4,
  NVML_ERROR_NOT_FOUND = 6,
  NVML_ERROR_INSUFFICIENT_SIZE = 7,
  NVML_ERROR_IN_USE = 19,
  NVML_ERROR_INSUFFICIENT_RESOURCES = 23,
  NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
  NVML_ERROR_UNKNOWN = 999
};

typedef struct device *nvmlDevice_t;
typedef struct gpu_instance *nvmlGpuInstance_t;
typedef struct compute_instance *nvmlComputeInstance_t;
typedef struct event_set *nvmlEventSet_t;

// The first word of a versioned struct: its size and, in the top byte, its version.
#define GPU_PROFILE_V2 0x02000098u
#define GPU_PROFILE_V3 0x03000098u
#define COMPUTE_PROFILE_V2 0x02000088u
#define COMPUTE_PROFILE_V3 0x0300008cu
#define MEMORY_V2 0x02000028u
#define PCI_INFO_EXT_V1 0x01000040u

typedef struct {
  unsigned start, size;
} Placement;

typedef struct {
  unsigned id, isP2pSupported, sliceCount, instanceCount, multiprocessorCount, copyEngineCount,
      decoderCount, encoderCount, jpegCount, ofaCount;
  unsigned long long memorySizeMB;
} GpuProfile;

typedef struct {
  unsigned version;
  unsigned id, isP2pSupported, sliceCount, instanceCount, multiprocessorCount, copyEngineCount,
      decoderCount, encoderCount, jpegCount, ofaCount;
  unsigned long long memorySizeMB;
  char name[96];
} GpuProfileV2;

typedef struct {
  unsigned version;
  unsigned id, sliceCount, instanceCount, multiprocessorCount, copyEngineCount, decoderCount,
      encoderCount, jpegCount, ofaCount;
  unsigned long long memorySizeMB;
  char name[96];
  unsigned capabilities;
} GpuProfileV3;

typedef struct {
  nvmlDevice_t device;
  unsigned id, profileId;
  Placement placement;
} GpuInstanceInfo;

typedef struct {
  unsigned id, sliceCount, instanceCount, multiprocessorCount, copyEngines, decoders, encoders, jpegs,
      ofas;
} ComputeProfile;

typedef struct {
  unsigned version;
  unsigned id, sliceCount, instanceCount, multiprocessorCount, copyEngines, decoders, encoders, jpegs,
      ofas;
  char name[96];
} ComputeProfileV2;

typedef struct {
  ComputeProfileV2 v2;
  unsigned capabilities;
} ComputeProfileV3;

typedef struct {
  nvmlDevice_t device;
  nvmlGpuInstance_t gpuInstance;
  unsigned id, profileId;
  Placement placement;
} ComputeInstanceInfo;

typedef struct {
  unsigned multiprocessorCount, copyEngines, decoders, encoders, jpegs, ofas, gpuInstanceSliceCount,
      computeInstanceSliceCount;
  unsigned long long memorySizeMB;
} Attributes;

typedef struct {
  unsigned long long total, free, used;
} Memory;

typedef struct {
  unsigned version;
  unsigned long long total, reserved, free, used;
} MemoryV2;

typedef struct {
  char busIdLegacy[16];
  unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
  char busId[32];
} PciInfo;

typedef struct {
  unsigned fieldId, scopeId;
  long long timestamp, latencyUsec;
  unsigned valueType;
  int nvmlReturn;
  unsigned long long value;
} FieldValue;

#define SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
SIZE_IS(GpuProfile, 48);
SIZE_IS(GpuProfileV2, GPU_PROFILE_V2 & 0xffffff);
SIZE_IS(GpuProfileV3, GPU_PROFILE_V3 & 0xffffff);
SIZE_IS(GpuInstanceInfo, 24);
SIZE_IS(ComputeProfile, 36);
SIZE_IS(ComputeProfileV2, COMPUTE_PROFILE_V2 & 0xffffff);
SIZE_IS(ComputeProfileV3, COMPUTE_PROFILE_V3 & 0xffffff);
SIZE_IS(ComputeInstanceInfo, 32);
SIZE_IS(Attributes, 40);
SIZE_IS(Memory, 24);
SIZE_IS(MemoryV2, MEMORY_V2 & 0xffffff);
SIZE_IS(PciInfo, 68);
SIZE_IS(FieldValue, 40);

#define NVML_FUNCTIONS(X)                                                                            \
  X(int, nvmlInit, (void))                                                                           \
  X(int, nvmlInit_v2, (void))                                                                        \
  X(int, nvmlInitWithFlags, (unsigned))                                                              \
  X(int, nvmlShutdown, (void))                                                                       \
  X(const char *, nvmlErrorString, (int))                                                            \
  X(int, nvmlInternalGetExportTable, (const void **, const unsigned char *))                         \
  X(int, nvmlSystemGetDriverVersion, (char *, unsigned))                                             \
  X(int, nvmlSystemGetNVMLVersion, (char *, unsigned))                                               \
  X(int, nvmlSystemGetCudaDriverVersion_v2, (int *))                                                 \
  X(int, nvmlDeviceGetCount_v2, (unsigned *))                                                        \
  X(int, nvmlDeviceGetHandleByIndex_v2, (unsigned, nvmlDevice_t *))                                  \
  X(int, nvmlDeviceGetHandleByUUID, (const char *, nvmlDevice_t *))                                  \
  X(int, nvmlDeviceGetHandleByPciBusId_v2, (const char *, nvmlDevice_t *))                           \
  X(int, nvmlDeviceGetIndex, (nvmlDevice_t, unsigned *))                                             \
  X(int, nvmlDeviceGetName, (nvmlDevice_t, char *, unsigned))                                        \
  X(int, nvmlDeviceGetUUID, (nvmlDevice_t, char *, unsigned))                                        \
  X(int, nvmlDeviceGetPciInfo_v3, (nvmlDevice_t, PciInfo *))                                         \
  X(int, nvmlDeviceGetPciInfoExt, (nvmlDevice_t, void *))                                            \
  X(int, nvmlDeviceGetMemoryInfo, (nvmlDevice_t, Memory *))                                          \
  X(int, nvmlDeviceGetMemoryInfo_v2, (nvmlDevice_t, MemoryV2 *))                                     \
  X(int, nvmlDeviceGetBAR1MemoryInfo, (nvmlDevice_t, Memory *))                                      \
  X(int, nvmlDeviceGetMemoryErrorCounter, (nvmlDevice_t, int, int, int, unsigned long long *))       \
  X(int, nvmlDeviceGetFieldValues, (nvmlDevice_t, int, FieldValue *))                                \
  X(int, nvmlDeviceGetMigMode, (nvmlDevice_t, unsigned *, unsigned *))                               \
  X(int, nvmlDeviceSetMigMode, (nvmlDevice_t, unsigned, int *))                                      \
  X(int, nvmlDeviceGetGpuInstanceProfileInfo, (nvmlDevice_t, unsigned, GpuProfile *))                \
  X(int, nvmlDeviceGetGpuInstanceProfileInfoV, (nvmlDevice_t, unsigned, void *))                     \
  X(int, nvmlDeviceGetGpuInstancePossiblePlacements_v2,                                              \
    (nvmlDevice_t, unsigned, Placement *, unsigned *))                                               \
  X(int, nvmlDeviceGetGpuInstanceRemainingCapacity, (nvmlDevice_t, unsigned, unsigned *))            \
  X(int, nvmlDeviceCreateGpuInstance, (nvmlDevice_t, unsigned, nvmlGpuInstance_t *))                 \
  X(int, nvmlDeviceCreateGpuInstanceWithPlacement,                                                   \
    (nvmlDevice_t, unsigned, const Placement *, nvmlGpuInstance_t *))                                \
  X(int, nvmlGpuInstanceDestroy, (nvmlGpuInstance_t))                                                \
  X(int, nvmlDeviceGetGpuInstances, (nvmlDevice_t, unsigned, nvmlGpuInstance_t *, unsigned *))       \
  X(int, nvmlDeviceGetGpuInstanceById, (nvmlDevice_t, unsigned, nvmlGpuInstance_t *))                \
  X(int, nvmlGpuInstanceGetInfo, (nvmlGpuInstance_t, GpuInstanceInfo *))                             \
  X(int, nvmlGpuInstanceGetComputeInstanceProfileInfo,                                               \
    (nvmlGpuInstance_t, unsigned, unsigned, ComputeProfile *))                                       \
  X(int, nvmlGpuInstanceGetComputeInstanceProfileInfoV,                                              \
    (nvmlGpuInstance_t, unsigned, unsigned, void *))                                                 \
  X(int, nvmlGpuInstanceGetComputeInstanceRemainingCapacity,                                         \
    (nvmlGpuInstance_t, unsigned, unsigned *))                                                       \
  X(int, nvmlGpuInstanceGetComputeInstancePossiblePlacements,                                        \
    (nvmlGpuInstance_t, unsigned, Placement *, unsigned *))                                          \
  X(int, nvmlGpuInstanceCreateComputeInstance,                                                       \
    (nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *))                                          \
  X(int, nvmlComputeInstanceDestroy, (nvmlComputeInstance_t))                                        \
  X(int, nvmlGpuInstanceGetComputeInstances,                                                         \
    (nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *, unsigned *))                              \
  X(int, nvmlGpuInstanceGetComputeInstanceById,                                                      \
    (nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *))                                          \
  X(int, nvmlComputeInstanceGetInfo_v2, (nvmlComputeInstance_t, ComputeInstanceInfo *))              \
  X(int, nvmlDeviceIsMigDeviceHandle, (nvmlDevice_t, unsigned *))                                    \
  X(int, nvmlDeviceGetGpuInstanceId, (nvmlDevice_t, unsigned *))                                     \
  X(int, nvmlDeviceGetComputeInstanceId, (nvmlDevice_t, unsigned *))                                 \
  X(int, nvmlDeviceGetMaxMigDeviceCount, (nvmlDevice_t, unsigned *))                                 \
  X(int, nvmlDeviceGetMigDeviceHandleByIndex, (nvmlDevice_t, unsigned, nvmlDevice_t *))              \
  X(int, nvmlDeviceGetDeviceHandleFromMigDeviceHandle, (nvmlDevice_t, nvmlDevice_t *))               \
  X(int, nvmlDeviceGetAttributes_v2, (nvmlDevice_t, Attributes *))                                   \
  X(int, nvmlEventSetCreate, (nvmlEventSet_t *))                                                     \
  X(int, nvmlEventSetFree, (nvmlEventSet_t))

#define DECLARE(ret, name, args) extern ret(*name) args;
NVML_FUNCTIONS(DECLARE)
#undef DECLARE

#endif
