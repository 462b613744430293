"""Means that tests share: a private Nix store, native files, crafted distributions, a fake index, databases."""
