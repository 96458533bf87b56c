// What a GPU shows of itself, through the exported functions: what was set is what is read, MIG mode
// takes away what it takes away on hardware, and a MIG device has none of the board's figures.
// Which calls those are: the NVML header's notes and reports, as docs/simulator.md lists them.
#include <cstddef>

#include "loaded_node.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

// Every reading of a node's GPUs has the number of its word plus 1, but for what is on or off.
std::uint64_t Planted(std::size_t offset) { return offset / 8 + 1; }
#define PLANTED(reading) Planted(offsetof(Readings, reading))

struct ReadNode : LoadedNode {
  explicit ReadNode(unsigned branch = 550, bool wideRows = false) : LoadedNode(Image(branch, wideRows)) {
    REQUIRE(nvmlInit_v2() == NVML_SUCCESS);
  }
  ~ReadNode() { nvmlShutdown(); }

  void Set(std::size_t offset, std::uint64_t value) {
    REQUIRE(Command(kSimulatorSetReading,
                    {0, static_cast<unsigned>(offset / 8), static_cast<unsigned>(value),
                     static_cast<unsigned>(value >> 32)}) == NVML_SUCCESS);
  }

 private:
  static std::vector<std::uint8_t> Image(unsigned branch, bool wideRows) {
    Node driver = Driver(branch);
    driver.wideProcessRows = wideRows;
    GpuBoard board = A100();
    std::snprintf(board.vbiosVersion, sizeof(board.vbiosVersion), "92.00.19.00.01");
    board.brand = NVML_BRAND_NVIDIA;
    board.pciDeviceId = 0x20B010DE;
    std::vector<std::uint8_t> image = MakeImage(driver, {board});
    auto* const words = reinterpret_cast<std::uint64_t*>(&StateOf(image, 0).gpus[0].readings);
    for (std::size_t i = 0; i < sizeof(Readings) / 8; i++) words[i] = Planted(8 * i);
    StateOf(image, 0).gpus[0].readings.eccEnabled = 1;
    StateOf(image, 0).gpus[0].readings.eccPendingEnabled = 0;
    SealSlot(image, 0);
    return image;
  }
};

using GetWord = nvmlReturn_t (*)(nvmlDevice_t, unsigned*);

struct WordCase {
  const char* name;
  GetWord get;
  std::size_t offset;
};

// The calls that take a device and give one word.
std::vector<WordCase> WordCases(const LoadedNode& node) {
#define WORD(function, reading) {#function, node.function, offsetof(Readings, reading)}
  return {WORD(nvmlDeviceGetPowerUsage, powerMilliwatts),
          WORD(nvmlDeviceGetPowerManagementLimit, powerLimitMilliwatts),
          WORD(nvmlDeviceGetEnforcedPowerLimit, powerLimitMilliwatts),
          WORD(nvmlDeviceGetPowerManagementDefaultLimit, powerDefaultLimitMilliwatts),
          WORD(nvmlDeviceGetFanSpeed, fanSpeedPercent),
          WORD(nvmlDeviceGetPerformanceState, performanceState),
          WORD(nvmlDeviceGetPowerState, performanceState),
          WORD(nvmlDeviceGetCurrPcieLinkGeneration, pcieGeneration),
          WORD(nvmlDeviceGetMaxPcieLinkGeneration, pcieMaxGeneration),
          WORD(nvmlDeviceGetGpuMaxPcieLinkGeneration, pcieDeviceMaxGeneration),
          WORD(nvmlDeviceGetCurrPcieLinkWidth, pcieWidth),
          WORD(nvmlDeviceGetMaxPcieLinkWidth, pcieMaxWidth),
          WORD(nvmlDeviceGetPcieReplayCounter, pcieReplays),
          WORD(nvmlDeviceGetPersistenceMode, persistenceMode),
          WORD(nvmlDeviceGetDisplayMode, displayMode),
          WORD(nvmlDeviceGetDisplayActive, displayActive)};
#undef WORD
}

nvmlDevice_t Partition(ReadNode& node) {
  node.Enable();
  nvmlComputeInstance_t compute;
  node.Create(9, 2, &compute);
  return node.mig(0);
}

}  // namespace

TEST_CASE("calls that give one word give the reading, on a GPU in either mode") {
  ReadNode node;
  for (const bool partitioned : {false, true}) {
    const nvmlDevice_t mig = partitioned ? Partition(node) : nullptr;
    for (const WordCase& it : WordCases(node)) {
      CAPTURE(it.name);
      unsigned value = 0;
      CHECK(it.get(node.gpu(), &value) == NVML_SUCCESS);
      CHECK(value == Planted(it.offset));
      CHECK(it.get(node.gpu(), nullptr) == NVML_ERROR_INVALID_ARGUMENT);
      CHECK(it.get(nullptr, &value) == NVML_ERROR_INVALID_ARGUMENT);
      if (partitioned) CHECK(it.get(mig, &value) == NVML_ERROR_NOT_SUPPORTED);
    }
  }
}

TEST_CASE("a reading that is not there is not supported, and can be set while the node runs") {
  ReadNode node;
  for (const WordCase& it : WordCases(node)) {
    CAPTURE(it.name);
    unsigned value = 77;
    node.Set(it.offset, kNoReading);
    CHECK(it.get(node.gpu(), &value) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(value == 77);
    node.Set(it.offset, 41);
    CHECK(it.get(node.gpu(), &value) == NVML_SUCCESS);
    CHECK(value == 41);
  }
  constexpr unsigned readings = sizeof(Readings) / 8;
  CHECK(node.Command(kSimulatorSetReading, {0, readings, 1, 0}) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.Command(kSimulatorSetReading, {1, 0, 1, 0}) == NVML_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("calls that choose a reading by a number") {
  ReadNode node;
  const nvmlDevice_t gpu = node.gpu();
  unsigned value = 0;
  CHECK(node.nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU, &value) == NVML_SUCCESS);
  CHECK(value == PLANTED(temperatureCelsius));
  CHECK(node.nvmlDeviceGetTemperature(gpu, 1, &value) == NVML_ERROR_INVALID_ARGUMENT);
  nvmlTemperature_v1_t temperature = {nvmlTemperature_v1, NVML_TEMPERATURE_GPU, 0};
  CHECK(node.nvmlDeviceGetTemperatureV(gpu, &temperature) == NVML_SUCCESS);
  CHECK(temperature.temperature == PLANTED(temperatureCelsius));
  temperature.version = 1;
  CHECK(node.nvmlDeviceGetTemperatureV(gpu, &temperature) == NVML_ERROR_ARGUMENT_VERSION_MISMATCH);

  const std::uint64_t thresholds[] = {
      PLANTED(shutdownTemperatureCelsius), PLANTED(slowdownTemperatureCelsius),
      PLANTED(memoryMaxTemperatureCelsius), PLANTED(gpuMaxTemperatureCelsius)};
  for (unsigned i = 0; i < 4; i++) {
    CHECK(node.nvmlDeviceGetTemperatureThreshold(gpu, i, &value) == NVML_SUCCESS);
    CHECK(value == thresholds[i]);
  }
  CHECK(node.nvmlDeviceGetTemperatureThreshold(gpu, 4, &value) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceGetTemperatureThreshold(gpu, 8, &value) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetTemperatureThreshold(gpu, 4, nullptr) == NVML_ERROR_INVALID_ARGUMENT);

  const std::uint64_t now[] = {PLANTED(graphicsClockMHz), PLANTED(smClockMHz),
                               PLANTED(memoryClockMHz), PLANTED(videoClockMHz)};
  const std::uint64_t most[] = {PLANTED(maxGraphicsClockMHz), PLANTED(maxSmClockMHz),
                                PLANTED(maxMemoryClockMHz), PLANTED(maxVideoClockMHz)};
  for (unsigned i = 0; i < 4; i++) {
    CHECK(node.nvmlDeviceGetClockInfo(gpu, i, &value) == NVML_SUCCESS);
    CHECK(value == now[i]);
    CHECK(node.nvmlDeviceGetMaxClockInfo(gpu, i, &value) == NVML_SUCCESS);
    CHECK(value == most[i]);
  }
  CHECK(node.nvmlDeviceGetClockInfo(gpu, 4, &value) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetPcieThroughput(gpu, NVML_PCIE_UTIL_TX_BYTES, &value) == NVML_SUCCESS);
  CHECK(value == PLANTED(pcieTransmitKBps));
  CHECK(node.nvmlDeviceGetPcieThroughput(gpu, NVML_PCIE_UTIL_RX_BYTES, &value) == NVML_SUCCESS);
  CHECK(value == PLANTED(pcieReceiveKBps));
  CHECK(node.nvmlDeviceGetPcieThroughput(gpu, 2, &value) == NVML_ERROR_INVALID_ARGUMENT);

  unsigned least = 0, mode = 0;
  CHECK(node.nvmlDeviceGetPowerManagementLimitConstraints(gpu, &least, &value) == NVML_SUCCESS);
  CHECK(least == PLANTED(powerMinLimitMilliwatts));
  CHECK(value == PLANTED(powerMaxLimitMilliwatts));
  CHECK(node.nvmlDeviceGetPowerManagementMode(gpu, &mode) == NVML_SUCCESS);
  CHECK(mode == NVML_FEATURE_ENABLED);
}

TEST_CASE("MIG mode takes utilisation, volatile ECC counts and remapped rows away") {
  ReadNode node;
  const nvmlDevice_t gpu = node.gpu();
  nvmlUtilization_t rates = {};
  unsigned value = 0, period = 0, rows[4] = {};
  unsigned long long errors = 0;
  CHECK(node.nvmlDeviceGetUtilizationRates(gpu, &rates) == NVML_SUCCESS);
  CHECK(rates.gpu == PLANTED(gpuUtilizationPercent));
  CHECK(rates.memory == PLANTED(memoryUtilizationPercent));
  CHECK(node.nvmlDeviceGetComputeMode(gpu, &value) == NVML_SUCCESS);
  CHECK(value == PLANTED(computeMode));
  CHECK(node.nvmlDeviceGetRemappedRows(gpu, &rows[0], &rows[1], &rows[2], &rows[3]) ==
        NVML_SUCCESS);
  CHECK(rows[0] == PLANTED(remappedRowsCorrectable));
  CHECK(rows[1] == PLANTED(remappedRowsUncorrectable));
  CHECK(rows[2] == PLANTED(remappedRowsPending));
  CHECK(rows[3] == PLANTED(remappedRowsFailed));
  const struct {
    nvmlReturn_t (*get)(nvmlDevice_t, unsigned*, unsigned*);
    std::uint64_t expected;
  } engines[] = {{node.nvmlDeviceGetEncoderUtilization, PLANTED(encoderUtilizationPercent)},
                 {node.nvmlDeviceGetDecoderUtilization, PLANTED(decoderUtilizationPercent)},
                 {node.nvmlDeviceGetJpgUtilization, PLANTED(jpegUtilizationPercent)},
                 {node.nvmlDeviceGetOfaUtilization, PLANTED(ofaUtilizationPercent)}};
  for (const auto& it : engines) {
    CHECK(it.get(gpu, &value, &period) == NVML_SUCCESS);
    CHECK(value == it.expected);
    CHECK(it.get(gpu, &value, nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  }
  CHECK(node.nvmlDeviceGetTotalEccErrors(gpu, 0, 0, &errors) == NVML_SUCCESS);
  CHECK(errors == PLANTED(eccVolatileCorrectedDram) + PLANTED(eccVolatileCorrectedSram));
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(gpu, 1, 1, NVML_MEMORY_LOCATION_DRAM, &errors) ==
        NVML_SUCCESS);
  CHECK(errors == PLANTED(eccAggregateUncorrectedDram));
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(gpu, 1, 0, NVML_MEMORY_LOCATION_SRAM, &errors) ==
        NVML_SUCCESS);
  CHECK(errors == PLANTED(eccVolatileUncorrectedSram));
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(gpu, 1, 0, 1, &errors) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(gpu, 1, 0, 8, &errors) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(gpu, 2, 0, 2, &errors) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetTotalEccErrors(gpu, 0, 2, &errors) == NVML_ERROR_INVALID_ARGUMENT);

  const nvmlDevice_t mig = Partition(node);
  for (const nvmlDevice_t device : {gpu, mig}) {
    CHECK(node.nvmlDeviceGetUtilizationRates(device, &rates) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(node.nvmlDeviceGetRemappedRows(device, &rows[0], &rows[1], &rows[2], &rows[3]) ==
          NVML_ERROR_NOT_SUPPORTED);
    nvmlFieldValue_t remapped = {};
    remapped.fieldId = NVML_FI_DEV_REMAPPED_COR;
    CHECK(node.nvmlDeviceGetFieldValues(device, 1, &remapped) == NVML_SUCCESS);
    CHECK(remapped.nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
    for (const auto& it : engines) {
      CHECK(it.get(device, &value, &period) == NVML_ERROR_NOT_SUPPORTED);
    }
    CHECK(node.nvmlDeviceGetTotalEccErrors(device, 1, 0, &errors) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(node.nvmlDeviceGetMemoryErrorCounter(device, 0, 0, NVML_MEMORY_LOCATION_DRAM, &errors) ==
          NVML_ERROR_NOT_SUPPORTED);
  }
  CHECK(node.nvmlDeviceGetTotalEccErrors(gpu, 1, 1, &errors) == NVML_SUCCESS);
  CHECK(errors == PLANTED(eccAggregateUncorrectedDram) + PLANTED(eccAggregateUncorrectedSram));
  // The one that nvidia-smi's table of MIG devices asks for.
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(mig, 1, 0, 7, &errors) == NVML_SUCCESS);
  CHECK(errors == PLANTED(eccVolatileUncorrectedSram));
  CHECK(node.nvmlDeviceGetComputeMode(gpu, &value) == NVML_SUCCESS);
  CHECK(value == NVML_COMPUTEMODE_DEFAULT);
}

TEST_CASE("without ECC there are no counts") {
  ReadNode node;
  unsigned current = 0, pending = 9;
  unsigned long long errors = 0;
  CHECK(node.nvmlDeviceGetEccMode(node.gpu(), &current, &pending) == NVML_SUCCESS);
  CHECK(current == NVML_FEATURE_ENABLED);
  CHECK(pending == NVML_FEATURE_DISABLED);
  node.Set(offsetof(Readings, eccEnabled), 0);
  CHECK(node.nvmlDeviceGetTotalEccErrors(node.gpu(), 0, 0, &errors) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceGetMemoryErrorCounter(node.gpu(), 0, 0, 2, &errors) ==
        NVML_ERROR_NOT_SUPPORTED);
}

TEST_CASE("every field gets an answer of its own") {
  ReadNode node;
  nvmlFieldValue_t fields[6] = {};
  const unsigned ids[] = {82, 186, 4, 184, 199, 195};  // 195: a limit as a margin, which nobody set
  for (unsigned i = 0; i < 6; i++) fields[i].fieldId = ids[i], fields[i].nvmlReturn = NVML_ERROR_UNKNOWN;
  REQUIRE(node.nvmlDeviceGetFieldValues(node.gpu(), 6, fields) == NVML_SUCCESS);
  CHECK(fields[0].value.uiVal == PLANTED(memoryTemperatureCelsius));
  CHECK(fields[1].value.uiVal == PLANTED(powerMilliwatts));
  CHECK(fields[2].valueType == NVML_VALUE_TYPE_UNSIGNED_LONG_LONG);
  CHECK(fields[2].value.ullVal ==
        PLANTED(eccVolatileUncorrectedDram) + PLANTED(eccVolatileUncorrectedSram));
  CHECK(fields[3].value.uiVal == 0);  // an A100 needs a reset
  CHECK(fields[4].value.uiVal == 1);  // 550 lists profiles while MIG is off
  for (unsigned i = 0; i < 5; i++) CHECK(fields[i].nvmlReturn == NVML_SUCCESS);
  CHECK(fields[5].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
  fields[1].scopeId = 1;
  REQUIRE(node.nvmlDeviceGetFieldValues(node.gpu(), 2, fields) == NVML_SUCCESS);
  CHECK(fields[1].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
  fields[0].scopeId = 7;  // says nothing of a temperature
  REQUIRE(node.nvmlDeviceGetFieldValues(node.gpu(), 1, fields) == NVML_SUCCESS);
  CHECK(fields[0].nvmlReturn == NVML_SUCCESS);
  CHECK(node.nvmlDeviceGetFieldValues(node.gpu(), 0, fields) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlDeviceGetFieldValues(node.gpu(), 1, nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  REQUIRE(node.nvmlDeviceGetFieldValues(Partition(node), 1, fields) == NVML_SUCCESS);
  CHECK(fields[0].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
}

TEST_CASE("a board says whether its MIG mode changes without a reset") {
  for (const auto& [board, resetless] : {std::pair{A100(), 0u}, std::pair{A30(), 0u},
                                         std::pair{H100(), 1u}, std::pair{RtxPro6000(), 1u}}) {
    CAPTURE(board.name);
    InitialisedNode node(575, board);
    nvmlFieldValue_t field = {};
    field.fieldId = NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED;
    REQUIRE(node.nvmlDeviceGetFieldValues(node.gpu(), 1, &field) == NVML_SUCCESS);
    CHECK(field.nvmlReturn == NVML_SUCCESS);
    CHECK(field.value.uiVal == resetless);
  }
}

// NVML_FI_MAX of the headers: 146 in 11.0, 197 in 12.2; 12.5 has the number of the last field moved by one.
TEST_CASE("a field newer than the driver is not supported") {
  const struct {
    unsigned branch, field;
    nvmlReturn_t code;
  } cases[] = {{450, 145, NVML_SUCCESS},       {450, 186, NVML_ERROR_NOT_SUPPORTED},
               {535, 186, NVML_SUCCESS},       {535, 199, NVML_ERROR_NOT_SUPPORTED},
               {550, 199, NVML_SUCCESS},       {555, 199, NVML_ERROR_NOT_SUPPORTED},
               {555, 200, NVML_SUCCESS},       {580, 199, NVML_SUCCESS}};
  for (const auto& it : cases) {
    CAPTURE(it.branch);
    ReadNode node(it.branch);
    nvmlFieldValue_t field = {};
    field.fieldId = it.field;
    REQUIRE(node.nvmlDeviceGetFieldValues(node.gpu(), 1, &field) == NVML_SUCCESS);
    CHECK(field.nvmlReturn == it.code);
  }
}

TEST_CASE("the board's own figures") {
  ReadNode node;
  const nvmlDevice_t gpu = node.gpu();
  unsigned value = 9;
  char text[96];
  CHECK(node.nvmlDeviceGetBrand(gpu, &value) == NVML_SUCCESS);
  CHECK(value == NVML_BRAND_NVIDIA);
  CHECK(node.nvmlDeviceGetBoardId(gpu, &value) == NVML_SUCCESS);
  CHECK(value == 0x700);
  CHECK(node.nvmlDeviceGetMultiGpuBoard(gpu, &value) == NVML_SUCCESS);
  CHECK(value == 0);
  CHECK(node.nvmlDeviceGetVirtualizationMode(gpu, &value) == NVML_SUCCESS);
  CHECK(value == NVML_GPU_VIRTUALIZATION_MODE_NONE);
  CHECK(node.nvmlDeviceGetVbiosVersion(gpu, text, NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE) ==
        NVML_SUCCESS);
  CHECK(std::string(text) == "92.00.19.00.01");
  nvmlPciInfoExt_v1_t ext = {};
  CHECK(node.nvmlDeviceGetPciInfoExt(gpu, &ext) == NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  ext.version = 0x01000040;
  CHECK(node.nvmlDeviceGetPciInfoExt(gpu, &ext) == NVML_SUCCESS);
  CHECK(ext.bus == 7);
  CHECK(std::string(ext.busId) == "00000000:07:00.0");
  CHECK(ext.baseClass == 3);  // class 0x030200 in /sys/bus/pci
  CHECK(ext.subClass == 2);
  nvmlPciInfo_v2_t old = {};
  for (const auto get : {node.nvmlDeviceGetPciInfo, node.nvmlDeviceGetPciInfo_v2}) {
    CHECK(get(gpu, &old) == NVML_SUCCESS);
    CHECK(std::string(old.busId) == "0000:07:00.0");
    CHECK(old.pciDeviceId == 0x20B010DE);
  }
  const nvmlDevice_t mig = Partition(node);
  CHECK(node.nvmlDeviceGetBrand(mig, &value) == NVML_ERROR_NOT_SUPPORTED);
  CHECK(node.nvmlDeviceGetPciInfoExt(mig, &ext) == NVML_ERROR_NOT_SUPPORTED);
}

TEST_CASE("an event set is one until it is freed or the library shut down") {
  ReadNode node;
  nvmlEventSet_t set = nullptr, other = nullptr;
  CHECK(node.nvmlEventSetCreate(nullptr) == NVML_ERROR_INVALID_ARGUMENT);
  REQUIRE(node.nvmlEventSetCreate(&set) == NVML_SUCCESS);
  REQUIRE(node.nvmlEventSetCreate(&other) == NVML_SUCCESS);
  CHECK(set != other);
  CHECK(node.nvmlEventSetFree(set) == NVML_SUCCESS);
  nvmlEventSet_t successor = nullptr;
  REQUIRE(node.nvmlEventSetCreate(&successor) == NVML_SUCCESS);
  CHECK(node.nvmlEventSetFree(set) == NVML_ERROR_INVALID_ARGUMENT);
  CHECK(node.nvmlEventSetFree(successor) == NVML_SUCCESS);
  CHECK(node.nvmlEventSetFree(reinterpret_cast<nvmlEventSet_t>(node.gpu())) ==
        NVML_ERROR_INVALID_ARGUMENT);
  REQUIRE(node.nvmlShutdown() == NVML_SUCCESS);
  CHECK(node.nvmlEventSetFree(other) == NVML_ERROR_UNINITIALIZED);
  REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
  CHECK(node.nvmlEventSetFree(other) == NVML_ERROR_INVALID_ARGUMENT);
  // Those of the former period take no room.
  for (unsigned i = 0; i < 1024; i++) REQUIRE(node.nvmlEventSetCreate(&set) == NVML_SUCCESS);
  CHECK(node.nvmlEventSetCreate(&set) == NVML_ERROR_MEMORY);
}
