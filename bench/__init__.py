"""Measures Dozen against the other ways to do the same, on this machine, as ratios: `python -m bench`."""
