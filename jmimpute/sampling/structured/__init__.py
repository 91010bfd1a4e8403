"""Sampling where clusters have covariance matrices of their own, where clusters have responses, or where Omega_u has zeros.

arrays -> effects (sums of rows, Omega_u, psi) -> coefficients -> level2 -> rows (missing values) -> covariances (hierarchy,
orbits, regressions) -> iteration -> chains
"""
