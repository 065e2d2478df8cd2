"""Pictures as arrays and files: EXR and its relatives, color encoding, tiles, resampling, finishing."""
