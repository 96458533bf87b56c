#include "node.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "calls.h"
#include "program.h"
#include "simulator/exported.h"
#include "simulator/image_layout.h"

namespace nvml_mig::fuzz {
namespace {

namespace files = std::filesystem;

const files::path& Beside() {
  static const files::path folder = files::read_symlink("/proc/self/exe").parent_path();
  return folder;
}
const files::path& PlacedPath() {
  static const files::path path = Beside() / "node.image";
  return path;
}

// The file that is in place, mapped to put its live part back.
struct Placed {
  const Node* node = nullptr;  // of which it is a copy, but for the live part
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
};
Placed placed;

Image ReadFile(const files::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Image(std::istreambuf_iterator<char>(file), {});
}

// A client that asks for all there is.
void Learn(Known* known) {
  unsigned gpus = 0;
  nvmlDeviceGetCount_v2(&gpus);
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    nvmlDevice_t device;
    char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
    nvmlPciInfo_t pci;
    if (nvmlDeviceGetHandleByIndex_v2(gpu, &device) != NVML_SUCCESS) continue;
    if (nvmlDeviceGetPciInfo_v3(device, &pci) == NVML_SUCCESS) known->texts.Add(pci.busId);
    for (unsigned i = 0; i < simulator::kMaxGpuInstances; i++) {
      nvmlDevice_t mig;
      if (nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) != NVML_SUCCESS) break;
      known->Add(mig);
      if (nvmlDeviceGetUUID(mig, text, sizeof(text)) == NVML_SUCCESS) known->texts.Add(text);
    }
    for (unsigned id = 0; id < 15; id++) {
      nvmlGpuInstance_t instance;
      nvmlComputeInstance_t compute;
      if (nvmlDeviceGetGpuInstanceById(device, id, &instance) != NVML_SUCCESS) continue;
      known->Add(instance);
      if (nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == NVML_SUCCESS) {
        known->Add(compute);
      }
    }
    known->Add(device);
    if (nvmlDeviceGetUUID(device, text, sizeof(text)) == NVML_SUCCESS) known->texts.Add(text);
  }
}

// MIG on, and on each GPU an instance of every profile that still fits, with a compute instance in it.
void BringToLife() {
  unsigned gpus = 0;
  nvmlDeviceGetCount_v2(&gpus);
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    nvmlDevice_t device;
    nvmlReturn_t activation;
    MUST(nvmlDeviceGetHandleByIndex_v2(gpu, &device) == NVML_SUCCESS, "No GPU %u.", gpu);
    Control().command(kSimulatorSetPrivileged, 1, 0, 0, 0, nullptr, 0);
    nvmlDeviceSetMigMode(device, NVML_DEVICE_MIG_ENABLE, &activation);
    if (activation != NVML_SUCCESS) Control().command(kSimulatorReboot, 0, 0, 0, 0, nullptr, 0);
  }
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    nvmlDevice_t device;
    nvmlDeviceGetHandleByIndex_v2(gpu, &device);
    for (unsigned slot = 0; slot < NVML_GPU_INSTANCE_PROFILE_COUNT; slot++) {
      nvmlGpuInstanceProfileInfo_t profile;
      nvmlGpuInstance_t instance;
      nvmlComputeInstance_t compute;
      if (nvmlDeviceGetGpuInstanceProfileInfo(device, slot, &profile) != NVML_SUCCESS ||
          nvmlDeviceCreateGpuInstance(device, profile.id, &instance) != NVML_SUCCESS) {
        continue;
      }
      for (unsigned id = 0; id < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; id++) {
        nvmlGpuInstanceCreateComputeInstance(instance, id, &compute);
      }
    }
  }
}

Node Learned(const Image& image, bool alive) {
  Node node{image, {}};
  Place(image);
  MUST(nvmlInit_v2() == NVML_SUCCESS, "A node that simulate() made is not taken.");
  if (alive) BringToLife();
  Learn(&node.known);
  ShutDown();
  node.image = ReadFile(PlacedPath());
  return node;
}

Ring<Node> MakeNodes() {
  Ring<Node> ring;
  for (const auto& entry : files::directory_iterator(FUZZ_NODES)) {
    if (entry.path().extension() != ".image") continue;
    const Image image = ReadFile(entry.path());
    const std::string name = entry.path().stem();
    ring.Add(name, Learned(image, false));
    ring.Add(name + " alive", Learned(image, true));
  }
  MUST(ring.size() != 0, "There are no nodes in %s.", FUZZ_NODES);
  return ring;
}

}  // namespace

const Ring<Node>& Nodes() {
  static const Ring<Node> nodes = MakeNodes();
  return nodes;
}

void Place(const Image& image) {
  if (placed.bytes != nullptr) munmap(placed.bytes, placed.size);
  placed = {};
  const std::string next = PlacedPath().string() + ".next";
  unlink(next.c_str());
  const int file = open(next.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  MUST(file >= 0 && write(file, image.data(), image.size()) == static_cast<ssize_t>(image.size()),
       "%s cannot be written: %s.", next.c_str(), std::strerror(errno));
  if (!image.empty()) {
    void* bytes = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    MUST(bytes != MAP_FAILED, "%s cannot be mapped: %s.", next.c_str(), std::strerror(errno));
    placed = {nullptr, static_cast<std::uint8_t*>(bytes), image.size()};
  }
  close(file);
  MUST(rename(next.c_str(), PlacedPath().c_str()) == 0, "rename: %s.", std::strerror(errno));
}

void RemovePlaced() {
  unlink(PlacedPath().c_str());
  placed.node = nullptr;
}

bool IsPlaced() { return access(PlacedPath().c_str(), F_OK) == 0; }

void Restore(const Node& node) {
  if (placed.node == &node) {
    const auto* header = reinterpret_cast<const simulator::ImageHeader*>(node.image.data());
    const auto put = [&](std::size_t from, std::size_t to) {
      std::memcpy(placed.bytes + from, node.image.data() + from, to - from);
    };
    put(offsetof(simulator::ImageHeader, current), sizeof(simulator::ImageHeader));
    put(header->slotOffset[0], node.image.size());
    return;
  }
  Place(node.image);
  placed.node = &node;
}

}  // namespace nvml_mig::fuzz
