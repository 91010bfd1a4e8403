"""A data frame becomes arrays: columns, cluster codes, canonical row order, missing patterns, sufficient statistics."""
