"""The command line: an inbound adapter over the same use cases as every other."""
