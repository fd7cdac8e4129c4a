"""What an identity provider publishes of itself: where its keys are, and the keys."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import IO, Any

from ....domain.errors import Category, SpineError
from .trusted_urls import url_problem

_SECONDS = 5.0
"""For each answer, from its first byte to its last."""
_MOST_BYTES = 1024 * 1024
_PIECE = 64 * 1024
_DISCOVERY = "/.well-known/openid-configuration"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Nobody but the provider says where its keys are, and it says so in its document."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def published_keys(issuer: str) -> list[Mapping[str, Any]]:
    """The keys (JWK) that the provider ``issuer`` signs with, as it publishes them now.

    Raises a SpineError of category DEPENDENCY when it does not answer, or not as it should.
    """
    described = _document(issuer.rstrip("/") + _DISCOVERY)
    if described.get("issuer") != issuer:
        raise _failure(
            issuer,
            f"it calls itself {described.get('issuer')!r}",
            hint="set SPINE_OIDC_ISSUER to exactly that, if it is the right one",
        )
    where = described.get("jwks_uri")
    if not isinstance(where, str) or (problem := url_problem(where)) is not None:
        told = "it does not say where its keys are" if not isinstance(where, str) else problem
        raise _failure(issuer, str(told))
    if issuer.startswith("https:") and not where.startswith("https:"):
        raise _failure(issuer, f"its keys are at {where}, which is not https")
    keys = _document(where).get("keys")
    if not isinstance(keys, list):
        raise _failure(where, "it holds no list of keys")
    return [key for key in keys if isinstance(key, dict)]


def _document(url: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # its scheme is checked
        url, headers={"Accept": "application/json", "User-Agent": "market-spine"}
    )
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            found = json.loads(_content(answer, url))
    except urllib.error.HTTPError as error:
        error.close()  # it is an answer as well, with a connection of its own
        raise _failure(url, str(error), cause=error) from None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise _failure(url, str(error) or type(error).__name__, cause=error) from error
    if not isinstance(found, dict):
        raise _failure(url, "it is no JSON object")
    return found


def _content(answer: IO[bytes], url: str) -> bytes:
    """All of an answer that is neither endless nor slow without end."""
    deadline = time.monotonic() + _SECONDS
    content = b""
    # What is there is taken at once: a reader that waits for all of it could wait for long.
    while piece := answer.read1(_PIECE):  # type: ignore[attr-defined]  # typeshed lacks it
        content += piece
        if len(content) > _MOST_BYTES:
            raise _failure(url, f"it is longer than {_MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise _failure(url, f"it took longer than {_SECONDS:g} s")
    return content


def _failure(
    what: str, why: str, *, hint: str | None = None, cause: BaseException | None = None
) -> SpineError:
    return SpineError(
        f"the identity provider's {what} cannot be used: {why}",
        category=Category.DEPENDENCY,
        hint=hint or "see that it answers this server, then call again",
        cause=cause,
    )
