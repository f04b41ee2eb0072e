"""C++ code from .proto files with Debian's protoc and grpc_cpp_plugin."""

# A third of a cold build is generated code. What is hot of protobuf is in its own library.
GENERATED_COPTS = ["-w", "-g0"] + select({
    "//proto:release": ["-O2"],
    "//conditions:default": ["-O0", "-U_FORTIFY_SOURCE"],
})

def _outs(protos, strip, suffixes):
    return [p[len(strip):-len(".proto")] + s for p in protos for s in suffixes]

def cc_protos(name, protos, roots, strip = "", grpc = [], data = [], copts = [], visibility = None, deps = []):
    """A cc_library of generated code.

    protos: files as labels relative to this package; strip: the prefix removed from them to get
    the import path; roots: -I folders relative to this package, first wins; grpc: those of protos
    that define services.
    """
    outs = _outs(protos, strip, [".pb.h", ".pb.cc"]) + _outs(grpc, strip, [".grpc.pb.h", ".grpc.pb.cc"])
    includes = " ".join(["-I$$P/%s -I$(GENDIR)/$$P/%s" % (r, r) for r in roots])
    files = " ".join([p[len(strip):] for p in protos])
    grpc_files = " ".join([p[len(strip):] for p in grpc])
    cmd = "P=%s; protoc %s -I/usr/include --cpp_out=$(RULEDIR) %s" % (native.package_name(), includes, files)
    if grpc:
        cmd += " && protoc %s -I/usr/include --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(RULEDIR) %s" % (includes, grpc_files)
    native.genrule(
        name = name + "_gen",
        srcs = protos + data,
        outs = outs,
        cmd = cmd,
        message = "Generating protobuf code of",
    )
    native.cc_library(
        name = name,
        srcs = [o for o in outs if o.endswith(".cc")],
        hdrs = [o for o in outs if o.endswith(".h")],
        includes = ["."],
        copts = GENERATED_COPTS + copts,
        linkstatic = True,
        visibility = visibility,
        deps = deps + ["//deploy/bazel:grpc"],
    )
