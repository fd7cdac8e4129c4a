"""Executing claimed runs: in the calling thread, in processes of this machine, on Dask."""
