"""What the notebooks on the paper's experiments need beyond the front door: grids, their tables, sentences, figures."""
