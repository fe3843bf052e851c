"""Runs, or what one run plays, on other machines; log, leases, limiter and budget stay where they were begun."""
