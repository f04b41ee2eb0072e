"""forbidden_dependencies: a query that must find nothing; tidy_test.py reads what it found."""

def forbidden_dependencies(name, of, on):
    """NAME.forbidden lists the dependencies, at any distance, of the targets `of` that match `on`."""
    native.genquery(
        name = name + ".forbidden",
        expression = "filter('%s', deps(set(%s)))" % (on, " ".join(of)),
        scope = of,
        testonly = True,
    )
