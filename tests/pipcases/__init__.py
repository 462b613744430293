"""Real requests with a date and pip's result, resolved again by mach: ``python -m tests.pipcases.run``."""
