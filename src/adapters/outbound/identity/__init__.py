"""Callers that somebody else vouches for."""
