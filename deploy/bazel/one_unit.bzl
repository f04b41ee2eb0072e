"""cc_library whose sources are compiled together, as one translation unit.

For libraries over generated code: Envoy's messages take a compiler ten seconds to read, whatever
the file then does with them. What must be so for it to work: names in the anonymous namespaces of
these files differ, and headers are included by what uses them.
"""

def one_unit_library(name, srcs, hdrs = [], **kwargs):
    sources = [s for s in srcs if s.endswith(".cc")]
    prefix = native.package_name() + "/"
    native.genrule(
        name = name + "_unit",
        outs = [name + "_unit.cc"],
        cmd = "printf '#include \"%s\"\\n' " + " ".join([prefix + s for s in sources]) + " > $@",
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = [name + "_unit.cc"] + [s for s in srcs if not s.endswith(".cc")],
        textual_hdrs = sources,
        hdrs = hdrs,
        **kwargs
    )
