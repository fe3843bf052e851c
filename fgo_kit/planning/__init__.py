"""A look before money is spent: what a server can do, what tasks and seeds can show, what a run will cost."""
