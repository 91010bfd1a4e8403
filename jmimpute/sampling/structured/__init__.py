"""Sampling where clusters have covariance matrices of their own, where clusters have responses, or where Omega_u has zeros.

arrays -> cells (sums of rows) -> effects (Omega_u, B and psi) -> rows (missing values) -> level2 -> covariances -> iteration
-> chains
"""
