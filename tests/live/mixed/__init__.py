"""Random traffic of all kinds between three namespaces, beside a trace; and whether the two agree."""
