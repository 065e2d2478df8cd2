"""The finishing tools as plain functions of pixels: what the gizmos draw live in Nuke, written once more in numpy.

They are the oracle that the gizmos are tested against, and what `bipack run equalizer …` calls. Every function takes
and returns float32 pictures, (height, width, 3), with values above 1 and below 0; nothing is clamped except a matte.
"""
