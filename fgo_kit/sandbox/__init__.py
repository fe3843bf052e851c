"""Running what a model wrote: without network, keys or the user's files."""
