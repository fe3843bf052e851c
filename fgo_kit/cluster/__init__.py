"""Runs on other machines, which share log, leases, limiter and budget with the process that began them."""
