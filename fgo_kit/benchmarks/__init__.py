"""Benchmarks: a loader, splits, an environment and a metric each. Loaded lazily by the front door."""
