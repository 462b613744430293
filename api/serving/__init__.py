"""The service behind HTTP: what was asked, the processes that resolve it, and the memory of what was answered."""
