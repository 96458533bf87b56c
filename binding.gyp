{
  "target_defaults": {
    "cflags": ["-fvisibility=hidden", "-fno-gnu-unique", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror"],
    "cflags!": ["-fno-omit-frame-pointer"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-fvisibility-inlines-hidden"],
    "ldflags": ["-Wl,--gc-sections", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,--as-needed"],
    "include_dirs": ["native"]
  },
  "targets": [
    {
      "target_name": "nvml_mig",
      "sources": [
        "native/nvml/library.cc",
        "native/nvml/devices.cc",
        "native/nvml/profiles.cc",
        "native/nvml/gpu_instances.cc",
        "native/nvml/compute_instances.cc",
        "native/nvml/mig_devices.cc",
        "native/addon/arguments.cc",
        "native/addon/convert.cc",
        "native/addon/operations.cc",
        "native/addon/session.cc",
        "native/addon/simulator.cc",
        "native/addon/environment.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc!": ["-fno-rtti", "-fno-exceptions"],
      "cflags_cc": ["-fexceptions"],
      "ldflags": ["-Wl,-z,nodelete", "-Wl,--version-script=<(module_root_dir)/native/addon/exports.map"],
      "libraries": ["-ldl"]
    },
    {
      "target_name": "nvml_simulator",
      "type": "shared_library",
      "product_prefix": "",
      "product_name": "libnvidia-ml",
      "product_extension": "so.1",
      "sources": [
        "native/simulator/abi_board.cc",
        "native/simulator/abi_compute_instance.cc",
        "native/simulator/abi_device.cc",
        "native/simulator/abi_ecc.cc",
        "native/simulator/abi_events.cc",
        "native/simulator/abi_fields.cc",
        "native/simulator/abi_gpu_instance.cc",
        "native/simulator/abi_memory.cc",
        "native/simulator/abi_mig_device.cc",
        "native/simulator/abi_processes.cc",
        "native/simulator/abi_readings.cc",
        "native/simulator/abi_system.cc",
        "native/simulator/calls.cc",
        "native/simulator/clients.cc",
        "native/simulator/control.cc",
        "native/simulator/events.cc",
        "native/simulator/exported.cc",
        "native/simulator/identity.cc",
        "native/simulator/image.cc",
        "native/simulator/image_change.cc",
        "native/simulator/image_description.cc",
        "native/simulator/image_lock.cc",
        "native/simulator/image_path.cc",
        "native/simulator/image_successor.cc",
        "native/simulator/image_verify.cc",
        "native/simulator/library.cc",
        "native/simulator/machine_check.cc",
        "native/simulator/machine_compute_instances.cc",
        "native/simulator/machine_devices.cc",
        "native/simulator/machine_gpu_instances.cc",
        "native/simulator/machine_mode.cc",
        "native/simulator/machine_world.cc",
        "native/simulator/placement.cc",
        "native/simulator/release_stamp.cc",
        "native/simulator/root.cc",
        "native/simulator/seen_devices.cc"
      ],
      # Not in cflags_cc, where the exclusion above would take them out again.
      "cflags": ["-fno-exceptions", "-fno-rtti"],
      "ldflags": ["-Wl,-Bsymbolic-functions", "-Wl,--hash-style=gnu", "-Wl,--version-script=<(module_root_dir)/native/simulator/exports.map", "-Wl,--no-undefined"],
      "libraries": ["-ldl"]
    }
  ]
}
