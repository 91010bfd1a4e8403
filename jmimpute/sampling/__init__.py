"""Draws from the posterior: the compiled target, Laplace whitening, NUTS, several chains, and what to think of them."""
