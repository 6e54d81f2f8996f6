"""Fitting of heads to recorded outcomes or labels: what `tiergraph tune` runs. Needs the ``eval`` extra."""
