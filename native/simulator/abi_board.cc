// What a board is and where it sits: figures that never change.
#include <cstring>

#include "calls.h"

using namespace nvml_mig::simulator;

namespace {

// A 3D controller, as lspci shows these boards.
constexpr unsigned kPciBaseClass = 0x03;
constexpr unsigned kPciSubClass = 0x02;

// Everything here belongs to the board; a MIG device has none of it.
nvmlReturn_t BoardOf(const Image& image, nvmlDevice_t device, const void* out,
                     const GpuBoard** board) {
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveGpuOnly(image, device, &subject);
  if (code == NVML_SUCCESS) *board = subject.board;
  return code;
}

template <class Out>
nvmlReturn_t GiveNumber(const Image& image, nvmlDevice_t device, std::uint32_t GpuBoard::* figure,
                        Out* out) {
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(image, device, out, &board);
  if (code == NVML_SUCCESS) *out = static_cast<Out>(board->*figure);
  return code;
}

template <std::size_t size>
nvmlReturn_t GiveBoardText(const Image& image, nvmlDevice_t device, char (GpuBoard::*text)[size],
                           char* out, unsigned length) {
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(image, device, out, &board);
  if (code != NVML_SUCCESS) return code;
  // A text nobody knows is one the board does not give.
  return (board->*text)[0] == '\0' ? NVML_ERROR_NOT_SUPPORTED
                                   : GiveText(out, length, board->*text);
}

void SayShortBusId(const GpuBoard& board, char (&out)[NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE]) {
  std::snprintf(out, sizeof(out), "%04X:%02X:%02X.0", board.pciDomain & 0xffff,
                board.pciBus & 0xff, board.pciDevice & 0xff);
}

// What every form of the struct has under these names.
template <class Info>
void SayPlace(const GpuBoard& board, Info* info) {
  info->domain = board.pciDomain;
  info->bus = board.pciBus;
  info->device = board.pciDevice;
  info->pciDeviceId = board.pciDeviceId;
  info->pciSubSystemId = board.pciSubSystemId;
}

nvmlReturn_t GiveShortPciInfo(const Image& image, nvmlDevice_t device, nvmlPciInfo_v2_t* pci) {
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(image, device, pci, &board);
  if (code != NVML_SUCCESS) return code;
  *pci = {};
  SayPlace(*board, pci);
  SayShortBusId(*board, pci->busId);
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t played::nvmlDeviceGetSerial(nvmlDevice_t device, char* serial, unsigned int length) {
  NVML_MIG_ENTER();
  return GiveBoardText(*image, device, &GpuBoard::serial, serial, length);
}

nvmlReturn_t played::nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int* minorNumber) {
  NVML_MIG_ENTER();
  return GiveNumber(*image, device, &GpuBoard::minorNumber, minorNumber);
}

nvmlReturn_t played::nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_v2_t* pci) {
  NVML_MIG_ENTER();
  return GiveShortPciInfo(*image, device, pci);
}

nvmlReturn_t played::nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_v2_t* pci) {
  NVML_MIG_ENTER();
  return GiveShortPciInfo(*image, device, pci);
}

nvmlReturn_t played::nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  NVML_MIG_ENTER();
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(*image, device, pci, &board);
  if (code != NVML_SUCCESS) return code;
  *pci = {};
  SayPlace(*board, pci);
  SayShortBusId(*board, pci->busIdLegacy);
  std::memcpy(pci->busId, board->busId, sizeof(pci->busId));
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t* pci) {
  NVML_MIG_ENTER();
  if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (pci->version != nvmlPciInfoExt_v1) return VersionMismatch(image->node());
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(*image, device, pci, &board);
  if (code != NVML_SUCCESS) return code;
  SayPlace(*board, pci);
  pci->baseClass = kPciBaseClass;
  pci->subClass = kPciSubClass;
  std::memcpy(pci->busId, board->busId, sizeof(pci->busId));
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetArchitecture(
    nvmlDevice_t device, nvmlDeviceArchitecture_t* arch) {
  NVML_MIG_ENTER();
  return GiveNumber(*image, device, &GpuBoard::architecture, arch);
}

nvmlReturn_t played::nvmlDeviceGetCudaComputeCapability(
    nvmlDevice_t device, int* major, int* minor) {
  NVML_MIG_ENTER();
  if (minor == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const nvmlReturn_t code =
      GiveNumber(*image, device, &GpuBoard::computeCapabilityMajor, major);
  return code != NVML_SUCCESS
             ? code
             : GiveNumber(*image, device, &GpuBoard::computeCapabilityMinor, minor);
}

nvmlReturn_t played::nvmlDeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t* type) {
  NVML_MIG_ENTER();
  return GiveNumber(*image, device, &GpuBoard::brand, type);
}

// nvidia-smi prints 0x700 for the board at 00000000:07:00.0.
nvmlReturn_t played::nvmlDeviceGetBoardId(nvmlDevice_t device, unsigned int* boardId) {
  NVML_MIG_ENTER();
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(*image, device, boardId, &board);
  if (code == NVML_SUCCESS) {
    *boardId = board->pciDomain << 16 | (board->pciBus & 0xff) << 8 | (board->pciDevice & 0xff);
  }
  return code;
}

nvmlReturn_t played::nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char* partNumber,
                                                  unsigned int length) {
  NVML_MIG_ENTER();
  return GiveBoardText(*image, device, &GpuBoard::boardPartNumber, partNumber, length);
}

nvmlReturn_t played::nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned int* multiGpuBool) {
  NVML_MIG_ENTER();
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(*image, device, multiGpuBool, &board);
  if (code == NVML_SUCCESS) *multiGpuBool = 0;
  return code;
}

nvmlReturn_t played::nvmlDeviceGetVbiosVersion(
    nvmlDevice_t device, char* version, unsigned int length) {
  NVML_MIG_ENTER();
  return GiveBoardText(*image, device, &GpuBoard::vbiosVersion, version, length);
}

nvmlReturn_t played::nvmlDeviceGetVirtualizationMode(nvmlDevice_t device,
                                                     nvmlGpuVirtualizationMode_t* mode) {
  NVML_MIG_ENTER();
  const GpuBoard* board;
  const nvmlReturn_t code = BoardOf(*image, device, mode, &board);
  if (code != NVML_SUCCESS) return code;
  switch (image->node().platform) {
    case kPassthrough:
      *mode = NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH;
      break;
    case kVgpuGuest:
      *mode = NVML_GPU_VIRTUALIZATION_MODE_VGPU;
      break;
    default:
      *mode = NVML_GPU_VIRTUALIZATION_MODE_NONE;
  }
  return NVML_SUCCESS;
}
