// The library as a whole: init and shutdown, versions, words for codes, the private export table, PCI
// addresses.
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "suites.h"

static void counts_init_and_shutdown(void) {
  unsigned gpus = 0;
  begin("init and shutdown are counted");
  RETURNS(NVML_SUCCESS, nvmlShutdown());  // seen of every driver library, whatever is documented
  RETURNS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&gpus));
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  RETURNS(NVML_SUCCESS, nvmlInitWithFlags(0));
  RETURNS(NVML_SUCCESS, nvmlInit());
  for (int left = 2; left >= 0; left--) {
    RETURNS(NVML_SUCCESS, nvmlDeviceGetCount_v2(&gpus));
    RETURNS(NVML_SUCCESS, nvmlShutdown());
  }
  RETURNS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&gpus));
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  RETURNS(NVML_SUCCESS, nvmlDeviceGetCount_v2(&gpus));
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  for (unsigned flags = 0; flags < 8; flags++) {
    RETURNS(NVML_SUCCESS, nvmlInitWithFlags(flags));
    RETURNS(NVML_SUCCESS, nvmlShutdown());
  }
  RETURNS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&gpus));
  end();
}

static bool is_text(const char *text) {
  if (text == NULL || *text == '\0') return false;
  while (*text != '\0' && isprint((unsigned char)*text)) text++;
  return *text == '\0';
}

static void has_words_for(int code) {
  const char *const words = nvmlErrorString(code);
  expect(is_text(words), "code %d has words", code);
  expect(nvmlErrorString(code) == words, "the words for %d stay where they are", code);
}

static void words(const char *when) {
  // As nvidia-smi prints them, or as every driver library answers.
  static const struct {
    int code;
    const char *words;
  } known[] = {
      {NVML_ERROR_UNINITIALIZED, "Uninitialized"},
      {NVML_ERROR_INVALID_ARGUMENT, "Invalid Argument"},
      {NVML_ERROR_NOT_SUPPORTED, "Not Supported"},
      {NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"},
      {NVML_ERROR_NOT_FOUND, "Not Found"},
      {NVML_ERROR_IN_USE, "In use by another client"},
      {NVML_ERROR_INSUFFICIENT_RESOURCES, "Insufficient Resources"},
      {NVML_ERROR_UNKNOWN, "Unknown Error"},
      {1999, "Unknown Error"},
      {-1, "Unknown Error"},
  };
  begin(when);
  for (int code = -2000; code <= 2000; code++) has_words_for(code);
  has_words_for(INT_MAX);
  has_words_for(INT_MIN);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const char *const got = nvmlErrorString(known[i].code);
    expect(got != NULL && strcmp(got, known[i].words) == 0, "%d: %s, not %s", known[i].code,
           known[i].words, got);
  }
  end();
}

static void versions(void) {
  char nvml[80] = "", driver[80] = "", tight[80];
  int cuda = 0;
  begin("versions are of the form that clients take apart");
  // Before init from R535 on.
  RETURNS(branch < 535 ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS,
          nvmlSystemGetNVMLVersion(nvml, sizeof nvml));
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  RETURNS(NVML_SUCCESS, nvmlSystemGetDriverVersion(driver, sizeof driver));
  RETURNS(NVML_SUCCESS, nvmlSystemGetNVMLVersion(nvml, sizeof nvml));
  char *rest;
  expect(strtoul(nvml, &rest, 10) >= 11 && *rest == '.', "NVML version %s", nvml);
  expect(strcmp(rest + 1, driver) == 0, "NVML version %s of driver %s", nvml, driver);
  RETURNS(NVML_SUCCESS, nvmlSystemGetCudaDriverVersion_v2(&cuda));
  expect(cuda >= 11000 && cuda / 1000 == atoi(nvml), "CUDA version %d", cuda);

  const unsigned needed = (unsigned)strlen(driver) + 1;
  memset(tight, '#', sizeof tight);
  RETURNS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetDriverVersion(tight, needed - 1));
  RETURNS(NVML_SUCCESS, nvmlSystemGetDriverVersion(tight, needed));
  expect(strcmp(tight, driver) == 0 && tight[needed] == '#', "a buffer of just its size");
  RETURNS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetDriverVersion(tight, 0));
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  end();
}

// nvidia-smi ends every verb without it. Its first word is the table's size in bytes.
static void export_table(void) {
  begin("the private export table is there, and empty, for any GUID");
  RETURNS(NVML_SUCCESS, nvmlInitWithFlags(0));
  for (int i = 0; i < 100; i++) {
    unsigned long long guid[2] = {i == 0 ? 0 : random_bits(), i == 0 ? 0 : random_bits()};
    const void *table = NULL;
    RETURNS(NVML_SUCCESS, nvmlInternalGetExportTable(&table, (const unsigned char *)guid));
    if (expect(table != NULL, "there is a table")) {
      unsigned long long bytes;
      memcpy(&bytes, table, sizeof bytes);
      expect(bytes == 8, "its first word is 8, not %llu", bytes);
    }
  }
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  end();
}

static void pci_addresses(void) {
  unsigned gpus = 0;
  char before[32] = "";
  begin("GPUs are found by every spelling of a PCI address, and are numbered in its order");
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  RETURNS(NVML_SUCCESS, nvmlDeviceGetCount_v2(&gpus));
  expect(gpus >= 2, "the node has several GPUs");
  for (unsigned index = 0; index < gpus; index++) {
    static const char *const spellings[] = {"%08X:%02X:%02X.0", "%08x:%02x:%02x.0", "%04X:%02X:%02X.0",
                                            "%04x:%02x:%02x.0"};
    const nvmlDevice_t device = gpu(index);
    PciInfo pci;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetPciInfo_v3(device, &pci));
    expect((pci.pciDeviceId & 0xffff) == 0x10de, "NVIDIA's vendor id, not %08x", pci.pciDeviceId);
    expect(strcmp(before, pci.busId) < 0, "%s comes after %s", pci.busId, before);
    strcpy(before, pci.busId);
    nvmlDevice_t found = NULL;
    RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByPciBusId_v2(pci.busId, &found));
    RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByPciBusId_v2(pci.busIdLegacy, &found));
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
      char text[32];
      snprintf(text, sizeof text, spellings[i], pci.domain, pci.bus, pci.device);
      about("with %s", text);
      found = NULL;
      RETURNS(NVML_SUCCESS, nvmlDeviceGetHandleByPciBusId_v2(text, &found));
      expect(found == device, "%s is GPU %u", text, index);
      if (i == 0) expect(strcmp(text, pci.busId) == 0, "NVML writes %s as %s", text, pci.busId);
    }
  }
  about(" ");
  nvmlDevice_t none = NULL;
  RETURNS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByPciBusId_v2("0000:ff:1f.0", &none));
  static const char *const nonsense[] = {"", "gpu", "0000", "0000:zz:00.0", "0000:07:00.0 and more"};
  for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
    const int code = nvmlDeviceGetHandleByPciBusId_v2(nonsense[i], &none);
    expect(code == NVML_ERROR_INVALID_ARGUMENT || code == NVML_ERROR_NOT_FOUND, "\"%s\": %d",
           nonsense[i], code);
  }
  expect(none == NULL, "what is not found is not written");
  RETURNS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2(gpus, &none));
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  end();
}

void library_suite(void) {
  words("nvmlErrorString has words for every code before init");
  RETURNS(NVML_SUCCESS, nvmlInit_v2());
  words("nvmlErrorString has words for every code after init");
  RETURNS(NVML_SUCCESS, nvmlShutdown());
  counts_init_and_shutdown();
  versions();
  export_table();
  pci_addresses();
}
