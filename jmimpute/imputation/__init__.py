"""Exact draws of the missing cells given the posterior, and how they are kept."""
