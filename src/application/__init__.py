"""Use cases: what the software does, in terms of domain and ports only."""
