"""Advice: the imputation model that an analysis model needs, and whether a given one will do."""
