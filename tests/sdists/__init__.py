"""Real sdists of every common build backend, and the wheels of the same releases: ``python -m tests.sdists.run``."""
