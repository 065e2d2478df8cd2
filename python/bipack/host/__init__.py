"""Bipack inside Nuke: the only package that imports `nuke`."""
