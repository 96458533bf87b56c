// The one list of NVML functions this project uses: the binding's pointers and dlsym calls, the
// simulator's prototypes and docs/nvml-coverage.md come from it. A name says its version, as the
// library exports it: an unsuffixed name is the oldest form, never the newest.
//
// Include after defining NVML_SYMBOL(name, ret, args) for the functions the binding calls, and
// NVML_CLIENT_SYMBOL(name, ret, args) for those that only other clients call: the simulator answers
// them, the binding does not look them up. One left undefined is empty; both are undefined at the
// end.
#include "nvml_abi.h"

#ifndef NVML_SYMBOL
#define NVML_SYMBOL(name, ret, args)
#endif
#ifndef NVML_CLIENT_SYMBOL
#define NVML_CLIENT_SYMBOL(name, ret, args)
#endif

// library
NVML_SYMBOL(nvmlInit_v2, nvmlReturn_t, (void))
NVML_SYMBOL(nvmlShutdown, nvmlReturn_t, (void))
NVML_SYMBOL(nvmlSystemGetDriverVersion, nvmlReturn_t, (char* version, unsigned int length))
NVML_SYMBOL(nvmlSystemGetNVMLVersion, nvmlReturn_t, (char* version, unsigned int length))
NVML_SYMBOL(nvmlSystemGetCudaDriverVersion_v2, nvmlReturn_t, (int* cudaDriverVersion))
NVML_SYMBOL(nvmlSystemGetCudaDriverVersion, nvmlReturn_t, (int* cudaDriverVersion))
NVML_SYMBOL(nvmlInternalGetExportTable, nvmlReturn_t,
            (const void** table, const unsigned char* guid))

// devices
NVML_SYMBOL(nvmlDeviceGetCount_v2, nvmlReturn_t, (unsigned int* deviceCount))
NVML_SYMBOL(nvmlDeviceGetHandleByIndex_v2, nvmlReturn_t,
            (unsigned int index, nvmlDevice_t* device))
NVML_SYMBOL(nvmlDeviceGetHandleByUUID, nvmlReturn_t, (const char* uuid, nvmlDevice_t* device))
NVML_SYMBOL(nvmlDeviceGetIndex, nvmlReturn_t, (nvmlDevice_t device, unsigned int* index))
NVML_SYMBOL(nvmlDeviceGetName, nvmlReturn_t,
            (nvmlDevice_t device, char* name, unsigned int length))
NVML_SYMBOL(nvmlDeviceGetUUID, nvmlReturn_t,
            (nvmlDevice_t device, char* uuid, unsigned int length))
NVML_SYMBOL(nvmlDeviceGetSerial, nvmlReturn_t,
            (nvmlDevice_t device, char* serial, unsigned int length))
NVML_SYMBOL(nvmlDeviceGetMinorNumber, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* minorNumber))
NVML_SYMBOL(nvmlDeviceGetPciInfo_v3, nvmlReturn_t, (nvmlDevice_t device, nvmlPciInfo_t* pci))
NVML_SYMBOL(nvmlDeviceGetArchitecture, nvmlReturn_t,
            (nvmlDevice_t device, nvmlDeviceArchitecture_t* arch))
NVML_SYMBOL(nvmlDeviceGetCudaComputeCapability, nvmlReturn_t,
            (nvmlDevice_t device, int* major, int* minor))
NVML_SYMBOL(nvmlDeviceGetMemoryInfo_v2, nvmlReturn_t,
            (nvmlDevice_t device, nvmlMemory_v2_t* memory))
NVML_SYMBOL(nvmlDeviceGetMemoryInfo, nvmlReturn_t, (nvmlDevice_t device, nvmlMemory_t* memory))
NVML_SYMBOL(nvmlDeviceGetBAR1MemoryInfo, nvmlReturn_t,
            (nvmlDevice_t device, nvmlBAR1Memory_t* bar1Memory))
NVML_SYMBOL(nvmlDeviceGetBrand, nvmlReturn_t, (nvmlDevice_t device, nvmlBrandType_t* type))
NVML_SYMBOL(nvmlDeviceGetBoardPartNumber, nvmlReturn_t,
            (nvmlDevice_t device, char* partNumber, unsigned int length))
NVML_SYMBOL(nvmlDeviceGetVbiosVersion, nvmlReturn_t,
            (nvmlDevice_t device, char* version, unsigned int length))

// MIG mode
NVML_SYMBOL(nvmlDeviceGetMigMode, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* currentMode, unsigned int* pendingMode))
NVML_SYMBOL(nvmlDeviceSetMigMode, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int mode, nvmlReturn_t* activationStatus))

// GPU instances
NVML_SYMBOL(nvmlDeviceGetGpuInstanceProfileInfo, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t* info))
NVML_SYMBOL(nvmlDeviceGetGpuInstanceProfileInfoV, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t* info))
NVML_SYMBOL(nvmlDeviceGetGpuInstancePossiblePlacements_v2, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t* placements,
             unsigned int* count))
NVML_SYMBOL(nvmlDeviceGetGpuInstancePossiblePlacements, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstancePlacement_t* placements,
             unsigned int* count))
NVML_SYMBOL(nvmlDeviceGetGpuInstanceRemainingCapacity, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId, unsigned int* count))
NVML_SYMBOL(nvmlDeviceCreateGpuInstance, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t* gpuInstance))
NVML_SYMBOL(nvmlDeviceCreateGpuInstanceWithPlacement, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId,
             const nvmlGpuInstancePlacement_t* placement, nvmlGpuInstance_t* gpuInstance))
NVML_SYMBOL(nvmlGpuInstanceDestroy, nvmlReturn_t, (nvmlGpuInstance_t gpuInstance))
NVML_SYMBOL(nvmlDeviceGetGpuInstances, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int profileId, nvmlGpuInstance_t* gpuInstances,
             unsigned int* count))
NVML_SYMBOL(nvmlDeviceGetGpuInstanceById, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t* gpuInstance))
NVML_SYMBOL(nvmlGpuInstanceGetInfo, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t* info))

// compute instances
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstanceProfileInfo, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
             nvmlComputeInstanceProfileInfo_t* info))
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstanceProfileInfoV, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile,
             nvmlComputeInstanceProfileInfo_v2_t* info))
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstancePossiblePlacements, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profileId,
             nvmlComputeInstancePlacement_t* placements, unsigned int* count))
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstanceRemainingCapacity, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profileId, unsigned int* count))
NVML_SYMBOL(nvmlGpuInstanceCreateComputeInstance, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profileId,
             nvmlComputeInstance_t* computeInstance))
NVML_SYMBOL(nvmlGpuInstanceCreateComputeInstanceWithPlacement, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profileId,
             const nvmlComputeInstancePlacement_t* placement,
             nvmlComputeInstance_t* computeInstance))
NVML_SYMBOL(nvmlComputeInstanceDestroy, nvmlReturn_t, (nvmlComputeInstance_t computeInstance))
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstances, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int profileId,
             nvmlComputeInstance_t* computeInstances, unsigned int* count))
NVML_SYMBOL(nvmlGpuInstanceGetComputeInstanceById, nvmlReturn_t,
            (nvmlGpuInstance_t gpuInstance, unsigned int id,
             nvmlComputeInstance_t* computeInstance))
NVML_SYMBOL(nvmlComputeInstanceGetInfo_v2, nvmlReturn_t,
            (nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t* info))

// MIG devices
NVML_SYMBOL(nvmlDeviceIsMigDeviceHandle, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* isMigDevice))
NVML_SYMBOL(nvmlDeviceGetGpuInstanceId, nvmlReturn_t, (nvmlDevice_t device, unsigned int* id))
NVML_SYMBOL(nvmlDeviceGetComputeInstanceId, nvmlReturn_t, (nvmlDevice_t device, unsigned int* id))
NVML_SYMBOL(nvmlDeviceGetMaxMigDeviceCount, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* count))
NVML_SYMBOL(nvmlDeviceGetMigDeviceHandleByIndex, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int index, nvmlDevice_t* migDevice))
NVML_SYMBOL(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, nvmlReturn_t,
            (nvmlDevice_t migDevice, nvmlDevice_t* device))
NVML_SYMBOL(nvmlDeviceGetAttributes_v2, nvmlReturn_t,
            (nvmlDevice_t device, nvmlDeviceAttributes_t* attributes))

// what other clients call
NVML_CLIENT_SYMBOL(nvmlErrorString, const char*, (nvmlReturn_t result))
NVML_CLIENT_SYMBOL(nvmlInit, nvmlReturn_t, (void))
NVML_CLIENT_SYMBOL(nvmlInitWithFlags, nvmlReturn_t, (unsigned int flags))
NVML_CLIENT_SYMBOL(nvmlDeviceGetCount, nvmlReturn_t, (unsigned int* deviceCount))
NVML_CLIENT_SYMBOL(nvmlDeviceGetHandleByIndex, nvmlReturn_t,
                   (unsigned int index, nvmlDevice_t* device))
NVML_CLIENT_SYMBOL(nvmlDeviceGetHandleByUUIDV, nvmlReturn_t,
                   (const nvmlUUID_v1_t* uuid, nvmlDevice_t* device))
NVML_CLIENT_SYMBOL(nvmlDeviceGetHandleByPciBusId, nvmlReturn_t,
                   (const char* pciBusId, nvmlDevice_t* device))
NVML_CLIENT_SYMBOL(nvmlDeviceGetHandleByPciBusId_v2, nvmlReturn_t,
                   (const char* pciBusId, nvmlDevice_t* device))
NVML_CLIENT_SYMBOL(nvmlDeviceGetGpuInstanceProfileInfoByIdV, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int profileId,
                    nvmlGpuInstanceProfileInfo_v2_t* info))
NVML_CLIENT_SYMBOL(nvmlComputeInstanceGetInfo, nvmlReturn_t,
                   (nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t* info))
NVML_CLIENT_SYMBOL(nvmlDeviceGetAttributes, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlDeviceAttributes_t* attributes))

// what a GPU shows of itself
NVML_CLIENT_SYMBOL(nvmlDeviceGetPciInfo, nvmlReturn_t, (nvmlDevice_t device, nvmlPciInfo_v2_t* pci))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPciInfo_v2, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlPciInfo_v2_t* pci))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPciInfoExt, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlPciInfoExt_v1_t* pci))
NVML_CLIENT_SYMBOL(nvmlDeviceGetBoardId, nvmlReturn_t, (nvmlDevice_t device, unsigned int* boardId))
NVML_CLIENT_SYMBOL(nvmlDeviceGetMultiGpuBoard, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int* multiGpuBool))
NVML_CLIENT_SYMBOL(nvmlDeviceGetVirtualizationMode, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlGpuVirtualizationMode_t* mode))
NVML_SYMBOL(nvmlDeviceGetPowerUsage, nvmlReturn_t, (nvmlDevice_t device, unsigned int* power))
NVML_SYMBOL(nvmlDeviceGetPowerManagementLimit, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* limit))
NVML_SYMBOL(nvmlDeviceGetPowerManagementDefaultLimit, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* defaultLimit))
NVML_SYMBOL(nvmlDeviceGetEnforcedPowerLimit, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* limit))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPowerManagementLimitConstraints, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int* minLimit, unsigned int* maxLimit))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPowerManagementMode, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlEnableState_t* mode))
NVML_SYMBOL(nvmlDeviceGetTemperature, nvmlReturn_t,
            (nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, unsigned int* temp))
NVML_SYMBOL(nvmlDeviceGetTemperatureV, nvmlReturn_t,
            (nvmlDevice_t device, nvmlTemperature_v1_t* temperature))
NVML_CLIENT_SYMBOL(nvmlDeviceGetTemperatureThreshold, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlTemperatureThresholds_t thresholdType, unsigned int*
                    temp))
NVML_CLIENT_SYMBOL(nvmlDeviceGetFanSpeed, nvmlReturn_t, (nvmlDevice_t device, unsigned int* speed))
NVML_SYMBOL(nvmlDeviceGetClockInfo, nvmlReturn_t,
            (nvmlDevice_t device, nvmlClockType_t type, unsigned int* clock))
NVML_SYMBOL(nvmlDeviceGetMaxClockInfo, nvmlReturn_t,
            (nvmlDevice_t device, nvmlClockType_t type, unsigned int* clock))
NVML_SYMBOL(nvmlDeviceGetPerformanceState, nvmlReturn_t,
            (nvmlDevice_t device, nvmlPstates_t* pState))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPowerState, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlPstates_t* pState))
NVML_SYMBOL(nvmlDeviceGetUtilizationRates, nvmlReturn_t,
            (nvmlDevice_t device, nvmlUtilization_t* utilization))
NVML_SYMBOL(nvmlDeviceGetEncoderUtilization, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* utilization, unsigned int* samplingPeriodUs))
NVML_SYMBOL(nvmlDeviceGetDecoderUtilization, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* utilization, unsigned int* samplingPeriodUs))
NVML_SYMBOL(nvmlDeviceGetJpgUtilization, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* utilization, unsigned int* samplingPeriodUs))
NVML_SYMBOL(nvmlDeviceGetOfaUtilization, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* utilization, unsigned int* samplingPeriodUs))
NVML_SYMBOL(nvmlDeviceGetEccMode, nvmlReturn_t,
            (nvmlDevice_t device, nvmlEnableState_t* current, nvmlEnableState_t* pending))
NVML_SYMBOL(nvmlDeviceGetTotalEccErrors, nvmlReturn_t,
            (nvmlDevice_t device, nvmlMemoryErrorType_t errorType,
             nvmlEccCounterType_t counterType, unsigned long long* eccCounts))
NVML_CLIENT_SYMBOL(nvmlDeviceGetMemoryErrorCounter, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t
                    counterType, nvmlMemoryLocation_t locationType, unsigned long long* count))
NVML_CLIENT_SYMBOL(nvmlDeviceGetRemappedRows, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int* corrRows, unsigned int* uncRows, unsigned
                    int* isPending, unsigned int* failureOccurred))
NVML_SYMBOL(nvmlDeviceGetCurrPcieLinkGeneration, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* currLinkGen))
NVML_SYMBOL(nvmlDeviceGetMaxPcieLinkGeneration, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* maxLinkGen))
NVML_CLIENT_SYMBOL(nvmlDeviceGetGpuMaxPcieLinkGeneration, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int* maxLinkGenDevice))
NVML_SYMBOL(nvmlDeviceGetCurrPcieLinkWidth, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* currLinkWidth))
NVML_SYMBOL(nvmlDeviceGetMaxPcieLinkWidth, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* maxLinkWidth))
NVML_CLIENT_SYMBOL(nvmlDeviceGetPcieThroughput, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int* value))
NVML_SYMBOL(nvmlDeviceGetPcieReplayCounter, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* value))
NVML_SYMBOL(nvmlDeviceGetPersistenceMode, nvmlReturn_t,
            (nvmlDevice_t device, nvmlEnableState_t* mode))
NVML_CLIENT_SYMBOL(nvmlDeviceSetPersistenceMode, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlEnableState_t mode))
NVML_CLIENT_SYMBOL(nvmlDeviceGetDisplayMode, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlEnableState_t* display))
NVML_CLIENT_SYMBOL(nvmlDeviceGetDisplayActive, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlEnableState_t* isActive))
NVML_SYMBOL(nvmlDeviceGetComputeMode, nvmlReturn_t, (nvmlDevice_t device, nvmlComputeMode_t* mode))
NVML_CLIENT_SYMBOL(nvmlDeviceGetFieldValues, nvmlReturn_t,
                   (nvmlDevice_t device, int valuesCount, nvmlFieldValue_t* values))
NVML_SYMBOL(nvmlDeviceGetComputeRunningProcesses, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v1_t* infos))
NVML_SYMBOL(nvmlDeviceGetComputeRunningProcesses_v2, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v2_t* infos))
NVML_SYMBOL(nvmlDeviceGetComputeRunningProcesses_v3, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_t* infos))
NVML_SYMBOL(nvmlDeviceGetGraphicsRunningProcesses, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v1_t* infos))
NVML_SYMBOL(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v2_t* infos))
NVML_SYMBOL(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_t* infos))
NVML_SYMBOL(nvmlDeviceGetMPSComputeRunningProcesses, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v1_t* infos))
NVML_SYMBOL(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_v2_t* infos))
NVML_SYMBOL(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlReturn_t,
            (nvmlDevice_t device, unsigned int* infoCount, nvmlProcessInfo_t* infos))
NVML_SYMBOL(nvmlDeviceGetRunningProcessDetailList, nvmlReturn_t,
            (nvmlDevice_t device, nvmlProcessDetailList_v1_t* plist))
NVML_SYMBOL(nvmlSystemGetProcessName, nvmlReturn_t,
            (unsigned int pid, char* name, unsigned int length))
NVML_CLIENT_SYMBOL(nvmlEventSetCreate, nvmlReturn_t, (nvmlEventSet_t* set))
NVML_CLIENT_SYMBOL(nvmlEventSetFree, nvmlReturn_t, (nvmlEventSet_t set))
NVML_CLIENT_SYMBOL(nvmlDeviceGetSupportedEventTypes, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned long long* eventTypes))
NVML_CLIENT_SYMBOL(nvmlDeviceRegisterEvents, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set))
NVML_CLIENT_SYMBOL(nvmlEventSetWait_v2, nvmlReturn_t,
                   (nvmlEventSet_t set, nvmlEventData_t* data, unsigned int timeoutms))
NVML_CLIENT_SYMBOL(nvmlEventSetWait, nvmlReturn_t,
                   (nvmlEventSet_t set, nvmlEventData_v1_t* data, unsigned int timeoutms))
NVML_CLIENT_SYMBOL(nvmlGpmQueryDeviceSupport, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlGpmSupport_t* gpmSupport))
NVML_CLIENT_SYMBOL(nvmlGpmSampleAlloc, nvmlReturn_t, (nvmlGpmSample_t* gpmSample))
NVML_CLIENT_SYMBOL(nvmlGpmSampleFree, nvmlReturn_t, (nvmlGpmSample_t gpmSample))
NVML_CLIENT_SYMBOL(nvmlGpmSampleGet, nvmlReturn_t,
                   (nvmlDevice_t device, nvmlGpmSample_t gpmSample))
NVML_CLIENT_SYMBOL(nvmlGpmMigSampleGet, nvmlReturn_t,
                   (nvmlDevice_t device, unsigned int gpuInstanceId, nvmlGpmSample_t gpmSample))
NVML_CLIENT_SYMBOL(nvmlGpmMetricsGet, nvmlReturn_t, (nvmlGpmMetricsGet_t* metricsGet))

#undef NVML_SYMBOL
#undef NVML_CLIENT_SYMBOL
