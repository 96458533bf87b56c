// nvmlDeviceGetFieldValues: figures by number, each with an answer of its own. Clients look at the
// entries and not at what the call returns, so every entry is filled, whatever it asks for.
#include <time.h>

#include "readings.h"

using namespace nvml_mig::simulator;

namespace {

// How many fields the header of a branch numbers, from the branch on: NVML_FI_MAX.
struct FieldCount {
  unsigned branch;
  unsigned fields;
};
constexpr FieldCount kFieldCounts[] = {{450, 146}, {455, 147}, {460, 148}, {470, 161}, {520, 167},
                                       {525, 170}, {530, 173}, {535, 197}, {550, 200}, {555, 223},
                                       {560, 230}, {570, 269}, {575, 274}, {590, 289}, {595, 303}};

bool KnowsField(const Node& driver, unsigned id) {
  unsigned fields = 0;
  for (const FieldCount& from : kFieldCounts) {
    if (driver.driverBranch >= from.branch) fields = from.fields;
  }
  return id < fields;
}

// Headers 12.5 and 12.6 number this field one higher than those before and after.
unsigned ProfilesAnyTimeField(const Node& driver) {
  constexpr unsigned field = NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE;
  return driver.driverBranch >= 555 && driver.driverBranch < 570 ? field + 1 : field;
}

struct Field {
  unsigned id;
  Reading reading;
};
constexpr Field kFields[] = {
    {NVML_FI_DEV_ECC_CURRENT, &Readings::eccEnabled},
    {NVML_FI_DEV_ECC_PENDING, &Readings::eccPendingEnabled},
    {NVML_FI_DEV_MEMORY_TEMP, &Readings::memoryTemperatureCelsius},
    {NVML_FI_DEV_PCIE_REPLAY_COUNTER, &Readings::pcieReplays},
    {NVML_FI_DEV_POWER_AVERAGE, &Readings::powerMilliwatts},
    {NVML_FI_DEV_POWER_INSTANT, &Readings::powerMilliwatts},
    {NVML_FI_DEV_POWER_MIN_LIMIT, &Readings::powerMinLimitMilliwatts},
    {NVML_FI_DEV_POWER_MAX_LIMIT, &Readings::powerMaxLimitMilliwatts},
    {NVML_FI_DEV_POWER_DEFAULT_LIMIT, &Readings::powerDefaultLimitMilliwatts},
    {NVML_FI_DEV_POWER_CURRENT_LIMIT, &Readings::powerLimitMilliwatts},
    {NVML_FI_DEV_POWER_REQUESTED_LIMIT, &Readings::powerLimitMilliwatts},
};

nvmlReturn_t GiveWord(nvmlFieldValue_t* field, unsigned value) {
  field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
  field->value.uiVal = value;
  return NVML_SUCCESS;
}

nvmlReturn_t GiveErrors(const Subject& subject, EccCounter counter, nvmlFieldValue_t* field) {
  field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
  return TotalErrors(subject, counter, &field->value.ullVal);
}

nvmlReturn_t GiveRemapped(const Subject& subject, unsigned which, nvmlFieldValue_t* field) {
  RemappedRows rows;
  const nvmlReturn_t code = RemappedRowsOf(subject, &rows);
  return code != NVML_SUCCESS ? code : GiveWord(field, rows.counts[which]);
}

bool IsPower(unsigned field) {
  return field >= NVML_FI_DEV_POWER_AVERAGE && field <= NVML_FI_DEV_POWER_REQUESTED_LIMIT;
}

nvmlReturn_t GiveField(const Subject& subject, nvmlFieldValue_t* field) {
  if (!KnowsField(*subject.driver, field->fieldId)) return NVML_ERROR_NOT_SUPPORTED;
  // A scope of power is a part of the board; the module's and the memory's are nobody's figures here.
  if (IsPower(field->fieldId) && field->scopeId != NVML_POWER_SCOPE_GPU) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  if (field->fieldId == ProfilesAnyTimeField(*subject.driver)) {
    return GiveWord(field, ListsProfilesAnyTime(*subject.driver));
  }
  switch (field->fieldId) {
    case NVML_FI_DEV_ECC_SBE_VOL_TOTAL:
      return GiveErrors(subject, {NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC}, field);
    case NVML_FI_DEV_ECC_DBE_VOL_TOTAL:
      return GiveErrors(subject, {NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC}, field);
    case NVML_FI_DEV_ECC_SBE_AGG_TOTAL:
      return GiveErrors(subject, {NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_AGGREGATE_ECC}, field);
    case NVML_FI_DEV_ECC_DBE_AGG_TOTAL:
      return GiveErrors(subject, {NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_AGGREGATE_ECC}, field);
    case NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED:
      return GiveWord(field, subject.board->modeNeedsReset == 0);
    case NVML_FI_DEV_REMAPPED_COR:
      return GiveRemapped(subject, 0, field);
    case NVML_FI_DEV_REMAPPED_UNC:
      return GiveRemapped(subject, 1, field);
    case NVML_FI_DEV_REMAPPED_PENDING:
      return GiveRemapped(subject, 2, field);
    case NVML_FI_DEV_REMAPPED_FAILURE:
      return GiveRemapped(subject, 3, field);
  }
  for (const Field& known : kFields) {
    if (known.id != field->fieldId) continue;
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    return Give(subject, known.reading, &field->value.uiVal);
  }
  return NVML_ERROR_NOT_SUPPORTED;
}

long long MicrosecondsNow() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000ll + now.tv_nsec / 1000;
}

}  // namespace

nvmlReturn_t played::nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount,
                                              nvmlFieldValue_t* values) {
  NVML_MIG_ENTER();
  if (values == nullptr || valuesCount <= 0) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  for (nvmlFieldValue_t* field = values; field != values + valuesCount; field++) {
    const bool ofBoard = subject.compute == nullptr;
    field->timestamp = MicrosecondsNow();
    field->latencyUsec = 0;
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    field->value.ullVal = 0;
    field->nvmlReturn = ofBoard ? GiveField(subject, field) : NVML_ERROR_NOT_SUPPORTED;
  }
  return NVML_SUCCESS;
}
