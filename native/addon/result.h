// The one buffer that a call fills: a ResultHeader, then records of one kind (records.json).
#ifndef NVML_MIG_ADDON_RESULT_H
#define NVML_MIG_ADDON_RESULT_H

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include "nvml/calls.h"
#include "nvml/status.h"
#include "records.h"

namespace nvml_mig {

using Bytes = std::vector<std::byte>;

class Result {
 public:
  Result() : bytes_(sizeof(ResultHeader)) {}

  // Appends a Section and its records; the header counts the sections.
  template <typename Records, typename Convert>
  void add_section(SectionKind kind, std::uint32_t of, nvml::Status status, const Records& records,
                   const Convert& convert) {
    Section section{};
    section.kind = static_cast<std::uint32_t>(kind);
    section.of = of;
    section.count = static_cast<std::uint32_t>(records.size());
    section.outcome[0] = {status.code, status.ok() ? kNone : status.call};
    add(section);
    for (const auto& record : records) add(convert(record), false);
  }

  // Appends a record; one that stands ahead of the list is not counted in the header.
  template <typename Record>
  void add(const Record& record, bool counted = true) {
    static_assert(std::is_trivially_copyable_v<Record>);
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof record);
    std::memcpy(bytes_.data() + at, &record, sizeof record);
    if (counted) count_++;
  }

  Bytes finish(nvml::Status status) && {
    const ResultHeader header{status.code, status.ok() ? kNone : status.call, count_, 0};
    std::memcpy(bytes_.data(), &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
  std::uint32_t count_ = 0;
};

// What was called in NVML, after everything else.
inline void append_calls(const std::vector<nvml::Calls::Made>& calls, Bytes* bytes) {
  const auto count = static_cast<std::uint32_t>(calls.size());
  std::memcpy(bytes->data() + offsetof(ResultHeader, calls), &count, sizeof count);
  for (const nvml::Calls::Made& made : calls) {
    const CallRecord record{made.symbol, made.code, made.nanoseconds};
    const auto* from = reinterpret_cast<const std::byte*>(&record);
    bytes->insert(bytes->end(), from, from + sizeof record);
  }
}

inline Bytes result_of(SessionStatus status) {
  return Result().finish({static_cast<std::uint32_t>(status)});
}

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_RESULT_H
