"""Sensitivity analysis: results under assumptions about missing values other than missing at random."""
