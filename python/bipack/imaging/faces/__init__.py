"""Faces: where they are, how a stabilised crop is cut and put back, and mattes of their regions."""
