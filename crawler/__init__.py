"""Indexes and archives turned into facts of the catalog."""
