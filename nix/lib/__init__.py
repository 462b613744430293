"""The static Nix library: parts (.nix) that one file can hold, and the scripts that builders run."""
