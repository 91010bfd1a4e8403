"""The model as PyMC graphs: generative, and collapsed over random effects and missing cells."""
