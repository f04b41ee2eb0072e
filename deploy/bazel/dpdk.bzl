"""Compile flags for the few targets that include DPDK headers."""
DPDK_COPTS = [
    "-isystem", "/usr/include/dpdk",
    "-isystem", "/usr/include/x86_64-linux-gnu/dpdk",
    "-include", "rte_config.h",
    "-DALLOW_EXPERIMENTAL_API",
    # gcc: DPDK's headers count in volatile variables. clang does not know the warning.
    "-Wno-unknown-warning-option", "-Wno-volatile",
]
