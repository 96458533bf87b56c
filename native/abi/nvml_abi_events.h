// The part of NVML's ABI about what happens to a GPU while somebody waits (event sets), and about how
// busy it was between two samples (GPM). Included by nvml_abi.h; the same figures hold it.
#ifndef NVML_MIG_ABI_NVML_ABI_EVENTS_H
#define NVML_MIG_ABI_NVML_ABI_EVENTS_H

typedef struct nvmlEventSet_st* nvmlEventSet_t;

// One bit each.
#define nvmlEventTypeSingleBitEccError 0x1
#define nvmlEventTypeDoubleBitEccError 0x2
#define nvmlEventTypeXidCriticalError 0x8
#define nvmlEventMigConfigChange 0x100

// eventData is the number of an Xid. Ids are all ones where no instance is to blame.
typedef struct {
  nvmlDevice_t device;
  unsigned long long eventType;
  unsigned long long eventData;
  unsigned int gpuInstanceId;
  unsigned int computeInstanceId;
} nvmlEventData_t;

// As nvmlEventSetWait fills it, whose callers may have no more: before the ids.
typedef struct {
  nvmlDevice_t device;
  unsigned long long eventType;
  unsigned long long eventData;
} nvmlEventData_v1_t;

typedef struct nvmlGpmSample_st* nvmlGpmSample_t;

// Unlike that of other structs, a plain number.
#define NVML_GPM_SUPPORT_VERSION 1
typedef struct {
  unsigned int version;
  unsigned int isSupportedDevice;
} nvmlGpmSupport_t;

#define NVML_GPM_METRIC_GRAPHICS_UTIL 1
#define NVML_GPM_METRIC_SM_UTIL 2
#define NVML_GPM_METRIC_SM_OCCUPANCY 3
#define NVML_GPM_METRIC_INTEGER_UTIL 4
#define NVML_GPM_METRIC_ANY_TENSOR_UTIL 5
#define NVML_GPM_METRIC_DFMA_TENSOR_UTIL 6
#define NVML_GPM_METRIC_HMMA_TENSOR_UTIL 7
#define NVML_GPM_METRIC_IMMA_TENSOR_UTIL 9
#define NVML_GPM_METRIC_DRAM_BW_UTIL 10
#define NVML_GPM_METRIC_FP64_UTIL 11
#define NVML_GPM_METRIC_FP32_UTIL 12
#define NVML_GPM_METRIC_FP16_UTIL 13
#define NVML_GPM_METRIC_PCIE_TX_PER_SEC 20
#define NVML_GPM_METRIC_PCIE_RX_PER_SEC 21
#define NVML_GPM_METRIC_NVDEC_0_UTIL 30
#define NVML_GPM_METRIC_NVJPG_0_UTIL 40
// One past the last that a release knows; the longest.
#define NVML_GPM_METRIC_MAX 333

// The texts belong to the library.
typedef struct {
  unsigned int metricId;
  nvmlReturn_t nvmlReturn;
  double value;
  struct {
    char* shortName;
    char* longName;
    char* unit;
  } metricInfo;
} nvmlGpmMetric_t;

// Callers have room for as many metrics as their header knew; the first numMetrics count.
#define NVML_GPM_METRICS_GET_VERSION 1
typedef struct {
  unsigned int version;
  unsigned int numMetrics;
  nvmlGpmSample_t sample1;
  nvmlGpmSample_t sample2;
  nvmlGpmMetric_t metrics[NVML_GPM_METRIC_MAX];
} nvmlGpmMetricsGet_t;

#endif  // NVML_MIG_ABI_NVML_ABI_EVENTS_H
