"""One self-contained report of an analysis with imputations, in the order that reporting guidelines ask for."""
