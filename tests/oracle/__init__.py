"""mach held against uv and pip: on facts recorded on one day, and live."""
