"""Widgets for notebooks. State and logic are plain Python; what a browser shows is a thin view of them."""
