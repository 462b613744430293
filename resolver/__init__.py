"""The pure core: requests, targets, candidates, resolutions and locks; no SQL, HTTP, files, clock or subprocess."""

__version__ = "0.1.0"
