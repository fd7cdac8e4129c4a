"""An OpenID Connect provider on this machine: it publishes its keys over HTTP, and signs tokens."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "market-spine"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"


def new_key(algorithm: str, bits: int = 2048) -> Any:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm]())
    return rsa.generate_private_key(65537, bits)


def public_jwk(algorithm: str, key: Any, **more: Any) -> dict[str, Any]:
    found = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**found, **more}


def base64_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing(algorithm: str, key: Any) -> Callable[[bytes], bytes]:
    signer = get_default_algorithms()[algorithm]
    return lambda data: signer.sign(data, key)


def put_together(header: Any, claims: Any, sign: Callable[[bytes], bytes] | bytes) -> str:
    """A token of any header and claims, as objects or texts, and any signature."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    signed = ".".join(base64_of(part.encode()) for part in parts)
    mark = sign if isinstance(sign, bytes) else sign(signed.encode())
    return f"{signed}.{base64_of(mark)}"


@dataclass(frozen=True)
class In:
    """A moment that many seconds from when the token is made, in the past below 0."""

    seconds: int


class Provider:
    """What it publishes is in ``keys`` and ``described``; ``answers`` replace what it says.

    An answer is a status with a body, or an Event that it waits for before it answers. ``asked``
    counts the requests by path.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, tuple[int, bytes] | Event] = {}
        self.waiting = Event()
        self.keys: list[dict[str, Any]] = []
        self.private: dict[str, tuple[str, Any]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._answer(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realm"
        self.described: dict[str, Any] = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}{JWKS}",
        }
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def add_key(self, kid: str, algorithm: str = "RS256", key: Any = None, **more: Any) -> Any:
        """Sign with a further key, and publish it."""
        key = key or new_key(algorithm)
        self.private[kid] = algorithm, key
        self.keys.append(public_jwk(algorithm, key, kid=kid, **more))
        return key

    def withdraw(self, kid: str) -> None:
        self.keys = [key for key in self.keys if key["kid"] != kid]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of ann, who is an operator; those that are None are left out.

        A change that is In so many seconds becomes the moment that is that far from now.
        """
        now = int(time.time())
        values = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": now,
            "exp": now + 300,
            "roles": ["operator"],
            **changes,
        }
        return {
            name: now + value.seconds if isinstance(value, In) else value
            for name, value in values.items()
            if value is not None
        }

    def token(self, kid: str = "one", *, headers: Any = None, **changes: Any) -> str:
        algorithm, key = self.private[kid]
        given = {"alg": algorithm, "kid": kid, "typ": "JWT", **(headers or {})}
        header = {name: value for name, value in given.items() if value is not None}
        return put_together(header, self.claims(**changes), signing(algorithm, key))

    def close(self) -> None:
        """Be away; what waits for an Event is let go."""
        for answer in self.answers.values():
            if isinstance(answer, Event):
                answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.removeprefix("/realm")
        self.asked[path] += 1
        answer = self.answers.get(path)
        if isinstance(answer, Event):
            self.waiting.set()
            answer.wait()
            answer = None
        documents = {DISCOVERY: self.described, JWKS: {"keys": self.keys}}
        if answer is not None:
            status, body = answer
        elif path in documents:
            status, body = 200, json.dumps(documents[path]).encode()
        else:
            status, body = 404, b"{}"
        request.send_response(status)
        if 300 <= status < 400:
            request.send_header("Location", body.decode())
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            request.wfile.write(body)
        except OSError:
            request.close_connection = True  # who asked has heard enough


@contextmanager
def providing() -> Iterator[Provider]:
    provider = Provider()
    try:
        yield provider
    finally:
        provider.close()
