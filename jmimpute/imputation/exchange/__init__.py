"""Imputations of other programs read, and ours written for them: one file a program."""
