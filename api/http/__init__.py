"""The HTTP interface: thin over the use cases."""
