"""A lock turned into Nix text, and running Nix on it."""
