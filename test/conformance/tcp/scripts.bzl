"""conformance_scripts: one cc_test of all scripts of one RFC's folder, compiled as one unit.

A script is a file of ten lines and the headers are the same: one unit per RFC builds in seconds
what file by file would take minutes. The folder's scripts are found by a glob, so none is left out.
"""

load("//deploy/bazel:dpdk.bzl", "DPDK_COPTS")

def conformance_scripts(rfc):
    """//test/conformance/tcp:RFC_test, of the scripts in the folder RFC."""
    sources = native.glob([rfc + "/*.cc"])
    prefix = native.package_name() + "/"
    native.genrule(
        name = rfc + "_unit",
        outs = [rfc + "_unit.cc"],
        cmd = "printf '#include \"%s\"\\n' " + " ".join([prefix + s for s in sources]) + " > $@",
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = rfc + "_scripts",
        testonly = True,
        textual_hdrs = sources,
        visibility = ["//visibility:private"],
    )
    native.cc_test(
        name = rfc + "_test",
        size = "small",
        srcs = [rfc + "_unit.cc"],
        copts = DPDK_COPTS,
        deps = [":harness", rfc + "_scripts", "//deploy/bazel:gtest_main"],
    )
