"""fuzz_target: one LLVMFuzzerTestOneInput and its corpus, in two forms."""

def fuzz_target(name, srcs, corpus, deps = [], dictionary = None, copts = [], rounds = 20000):
    """Declares a fuzz target.

    `bazel test :NAME` runs the corpus and `rounds` seeded mutations of it with our own driver, any
    compiler, any sanitizer: part of deploy/dev/test. `bazel build --config=fuzz :NAME_libfuzzer`
    links libFuzzer for endless runs.
    """
    native.cc_library(
        name = name + "_lib",
        srcs = srcs,
        testonly = True,
        copts = copts,
        deps = deps,
        alwayslink = True,
    )
    native.cc_test(
        name = name,
        srcs = [],
        args = ["--rounds=%d" % rounds] + ["$(locations %s)" % corpus],
        data = [corpus],
        size = "small",
        deps = [":" + name + "_lib", "//test/fuzz:driver"],
        tags = ["fuzz"],
    )
    native.cc_binary(
        name = name + "_libfuzzer",
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        deps = [":" + name + "_lib"],
        tags = ["manual"],
    )
