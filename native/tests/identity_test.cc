#include "simulator/identity.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace nvml_mig::simulator;

TEST_CASE("UUIDs are read and written") {
  Uuid uuid;
  REQUIRE(ParseUuid("00112233-4455-6677-8899-aabbccddeeff", &uuid));
  for (unsigned i = 0; i < 16; i++) CHECK(uuid.bytes[i] == 0x11 * i);
  char text[kUuidTextBytes];
  FormatUuid(uuid.bytes, text);
  CHECK(std::string(text) == "00112233-4455-6677-8899-aabbccddeeff");
  Uuid upper;
  CHECK(ParseUuid("00112233-4455-6677-8899-AABBCCDDEEFF", &upper));
  CHECK(upper == uuid);
  for (const char* wrong : {"", "00112233", "00112233-4455-6677-8899-aabbccddeef",
                            "00112233-4455-6677-8899-aabbccddeeff0", "00112233445566778899aabbccddeeff",
                            "0011223g-4455-6677-8899-aabbccddeeff"}) {
    CAPTURE(wrong);
    CHECK_FALSE(ParseUuid(wrong, &uuid));
  }
}

TEST_CASE("the three names of a device") {
  DeviceName name;
  REQUIRE(ParseDeviceName("GPU-00112233-4455-6677-8899-aabbccddeeff", &name));
  CHECK(name.form == DeviceName::Form::kGpu);
  REQUIRE(ParseDeviceName("MIG-00112233-4455-6677-8899-aabbccddeeff", &name));
  CHECK(name.form == DeviceName::Form::kMig);
  REQUIRE(ParseDeviceName("MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/13/2", &name));
  CHECK(name.form == DeviceName::Form::kMigOfParent);
  CHECK(name.gpuInstance == 13);
  CHECK(name.computeInstance == 2);
  for (const char* wrong :
       {"", "GPU-", "MIG-", "00112233-4455-6677-8899-aabbccddeeff",
        "gpu-00112233-4455-6677-8899-aabbccddeeff", "GPU-00112233-4455-6677-8899-aabbccddeeff/1/0",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/1",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/1/",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/1/0x",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/1234/0",
        "MIG-GPU-00112233-4455-6677-8899-aabbccddeeff/-1/0"}) {
    CAPTURE(wrong);
    CHECK_FALSE(ParseDeviceName(wrong, &name));
  }
}

TEST_CASE("PCI addresses in the forms that clients use") {
  PciAddress address;
  for (const char* text : {"00000000:0F:1a.0", "0000:0f:1A.0", "0f:1a.0"}) {
    CAPTURE(text);
    REQUIRE(ParsePciAddress(text, &address));
    CHECK(address.domain == 0);
    CHECK(address.bus == 0x0f);
    CHECK(address.device == 0x1a);
    CHECK(address.function == 0);
  }
  REQUIRE(ParsePciAddress("00010000:0f:1a.7", &address));
  CHECK(address.domain == 0x10000);
  CHECK(address.function == 7);
  for (const char* wrong : {"", "0f", "0f:1a", "0f:1a.", "0f:1a.00", "0000:0f:1a", "000:0f:1a.0",
                            "00000:0f:1a.0", "0000-0f:1a.0", "0000:0f:1a.0 "}) {
    CAPTURE(wrong);
    CHECK_FALSE(ParsePciAddress(wrong, &address));
  }
}
