"""Benchmarks: they print ratios taken in one run on one machine and are never tests."""
