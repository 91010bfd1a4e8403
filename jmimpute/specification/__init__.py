"""What the analyst says: formulas, priors, and the record of both that the later stages read."""
