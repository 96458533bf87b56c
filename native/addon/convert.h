// From what native/nvml says to the records that JavaScript decodes.
#ifndef NVML_MIG_ADDON_CONVERT_H
#define NVML_MIG_ADDON_CONVERT_H

#include <cstring>
#include <string>

#include "nvml/description.h"
#include "nvml/devices.h"
#include "nvml/mig_devices.h"
#include "nvml/processes.h"
#include "nvml/profiles.h"
#include "records.h"

namespace nvml_mig {

// What does not fit is cut: the fields are as long as NVML's own.
template <std::size_t size>
void copy_text(const std::string& from, char (&to)[size]) {
  std::memset(to, 0, size);
  std::memcpy(to, from.data(), from.size() < size ? from.size() : size);
}

Outcome to_record(nvml::Status status);
Release to_record(const nvml::Library::Release& release);
SessionInfo to_record(std::uint32_t session, const nvml::Versions& versions,
                      const std::string& library);
GpuDescription to_record(const std::string& uuid, const nvml::Description& description);
Memory to_record(const nvml::Told<nvml::Memory>& memory,
                 const nvml::Told<nvmlBAR1Memory_t>& bar1);
Figure to_record(const nvml::Told<unsigned long long>& figure);
Process to_record(const nvml::Process& process);
Gpu to_record(unsigned index, const nvml::DeviceIdentity& identity);
MigMode to_record(const nvml::MigMode& mode, unsigned activation);
GpuInstance to_record(const nvml::GpuInstance& instance);
ComputeInstance to_record(const nvml::ComputeInstance& instance);
MigDevice to_record(unsigned gpu, const nvml::MigDevice& device);
PlacementList to_record(const nvml::PlacementList& placements);

// `remaining` and `placements` are what could be read, the statuses why not.
GpuInstanceProfile to_record(const nvml::GpuInstanceProfile& profile, nvml::Status remaining_status,
                             unsigned remaining, nvml::Status placement_status,
                             const std::vector<nvml::Placement>& placements);
ComputeInstanceProfile to_record(const nvml::ComputeInstanceProfile& profile,
                                 nvml::Status remaining_status, unsigned remaining,
                                 nvml::Status placement_status,
                                 const std::vector<nvml::Placement>& placements);

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_CONVERT_H
