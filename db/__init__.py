"""The catalog: schema, engines, readers for the resolver, writers for the crawler, snapshots."""
