"""A server that somebody names: `make contract TARGET=host:port`."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
from api_calls import ROLES, Api

TARGET = os.environ.get("SPINE_TEST_TARGET", "")
"""host:port of the server to be tried; empty for servers of the tests' own."""


def given_target() -> Api:
    """A client of that server, with the tokens and the authority that the environment names."""
    tokens = {
        role: text for role in ROLES if (text := os.environ.get(f"SPINE_TEST_TOKEN_{role.upper()}"))
    }
    authority = os.environ.get("SPINE_TEST_CA")
    credentials = None
    if authority:
        credentials = grpc.ssl_channel_credentials(Path(authority).read_bytes())
    return Api(TARGET, tokens=tokens, credentials=credentials)
