"""conformance_scripts: one cc_test of all scripts below a package, a folder per RFC.

A script is a file of ten lines and the headers are the same for all: the scripts of a folder are
compiled as one unit, in seconds what file by file would take minutes. Folders and scripts are
found by a glob, so none is left out.
"""

def conformance_scripts(name, deps, **kwargs):
    """A cc_test NAME of all scripts in FOLDER/*.cc."""
    scripts = native.glob(["*/*.cc"])
    folders = {script.split("/")[0]: None for script in scripts}
    prefix = native.package_name() + "/"
    for folder in folders:
        lines = ["#include \\\"%s\\\"" % (prefix + s) for s in scripts if s.startswith(folder + "/")]
        native.genrule(
            name = folder + "_unit",
            outs = [folder + "_unit.cc"],
            cmd = "printf '%s\\n' " + " ".join(["\"%s\"" % line for line in lines]) + " > $@",
            visibility = ["//visibility:private"],
        )
    native.cc_library(
        name = name + "_scripts",
        testonly = True,
        textual_hdrs = scripts,
        visibility = ["//visibility:private"],
    )
    native.cc_test(
        name = name,
        srcs = [folder + "_unit.cc" for folder in folders],
        deps = deps + [name + "_scripts"],
        **kwargs
    )
