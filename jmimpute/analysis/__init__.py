"""Substantive models on completed tables, and what Rubin's rules make of them: analyze -> pool."""
