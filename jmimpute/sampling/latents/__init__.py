"""Sampling with latent normals: moves with one latent integrated out at a time, then all parameters given the latents.

rows -> conditional (density of one latent's parameters) -> moves -> iteration -> chains
"""
