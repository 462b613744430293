"""The ways in: use cases, command line and HTTP."""
