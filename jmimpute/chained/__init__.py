"""Fully conditional specification (chained equations): one conditional model for each incomplete variable, in turn."""
