"""The command line: `bipack …`."""
