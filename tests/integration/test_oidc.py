"""Signed tokens of an identity provider: what gets in, and all that does not."""

from __future__ import annotations

import hmac
import json
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from identity_provider import (
    AUDIENCE,
    In,
    Provider,
    base64_of,
    new_key,
    providing,
    public_jwk,
    put_together,
    signing,
)

from market_spine.adapters.outbound.identity.oidc import LONGEST_TOKEN, OidcVerifier
from market_spine.adapters.outbound.identity.signing_keys import ALGORITHMS
from market_spine.adapters.outbound.system.runtime import SystemClock
from market_spine.domain.access import Principal, PrincipalKind, Role
from market_spine.domain.errors import Category, ConfigurationError, SpineError

ROLES = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "Market Admins": Role.ADMIN}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Keys of every kind by the names of their algorithms, and ``one``."""
    with providing() as provider:
        rsa = provider.add_key("one")
        for algorithm in ALGORITHMS:
            key = rsa if algorithm[:2] in ("RS", "PS") else None
            provider.add_key(algorithm, algorithm, key)
        provider.add_key("encrypts", "RS256", rsa, use="enc")
        provider.add_key("wraps", "RS256", rsa, key_ops=["wrapKey"])
        provider.add_key("of PS256", "RS256", rsa, alg="PS256")
        provider.add_key("short", "RS256", new_key("RS256", 1024))
        provider.keys += [
            {"kid": "secret", "kty": "oct", "k": base64_of(b"s" * 64)},
            {"kid": "broken", "kty": "RSA", "n": "!", "e": "AQAB"},
            {"kid": "empty", "kty": "EC", "crv": "P-256"},
            {"kty": "RSA"},
            {},
        ]
        yield provider


@pytest.fixture(scope="module")
def verifier(provider: Provider) -> OidcVerifier:
    return verifier_of(provider)


def verifier_of(provider: Provider, role_claim: str = "roles", clock: Any = None) -> OidcVerifier:
    return OidcVerifier(provider.issuer, AUDIENCE, role_claim, ROLES, clock or SystemClock())


def refusal(verifier: OidcVerifier, token: str) -> SpineError:
    with pytest.raises(SpineError) as refused:
        verifier.verify(token)
    error = refused.value
    assert error.category is Category.PERMISSION, error
    assert error.context.metadata["unauthenticated"] is True, error
    assert token not in str(error.to_dict())
    return error


# What gets in


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_two_keys_is_understood(
    provider: Provider, verifier: OidcVerifier, algorithm: str
) -> None:
    token = provider.token(algorithm)
    assert verifier.verify(token) == Principal("ann", Role.OPERATOR, PrincipalKind.JWT)
    signature = token.rpartition(".")[2]
    forged = token.removesuffix(signature) + signature[::-1]
    refusal(verifier, forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": In(-20)},
        {"nbf": In(20)},
        {"iat": None},
        {"aud": ["another", AUDIENCE]},
        {"sub": "株式会社 🚀"},
        {"headers": {"typ": "at+JWT"}},
        {"headers": {"typ": None}},
        {"headers": {"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/"}},
        {"more": {"deep": [1.5, None, True]}},
    ],
)
def test_a_token_may_be_late_by_a_little_and_say_more(
    provider: Provider, verifier: OidcVerifier, changes: dict[str, Any]
) -> None:
    assert verifier.verify(provider.token(**changes)).name == changes.get("sub", "ann")


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("roles", {"roles": "viewer"}, Role.VIEWER),
        ("roles", {"roles": "openid operator viewer"}, Role.OPERATOR),
        ("roles", {"roles": ["viewer", "Market Admins", "operator"]}, Role.ADMIN),
        ("roles", {"roles": "Market Admins"}, Role.ADMIN),
        ("roles", {"roles": ["viewer", 7, None, ["Market Admins"]]}, Role.VIEWER),
        ("realm.roles", {"realm": {"roles": ["viewer"]}}, Role.VIEWER),
        ("https://bank.example/roles", {"https://bank.example/roles": ["viewer"]}, Role.VIEWER),
        ("roles", {"roles": ["Operator"]}, None),
        ("roles", {"roles": ["Market"]}, None),
        ("roles", {"roles": []}, None),
        ("roles", {"roles": {"viewer": True}}, None),
        ("roles", {"roles": None}, None),
        ("roles", {"roles": 7}, None),
        ("realm.roles", {"realm": ["roles"]}, None),
        ("realm.roles", {"realm": {"roles": {"roles": "viewer"}}}, None),
    ],
)
def test_the_role_that_allows_most_counts(
    provider: Provider, claim: str, claims: dict[str, Any], role: Role | None
) -> None:
    verifier, token = verifier_of(provider, claim), provider.token(**claims)
    if role is not None:
        assert verifier.verify(token).role is role
        return
    with pytest.raises(SpineError, match="names no role") as refused:
        verifier.verify(token)
    assert refused.value.category is Category.PERMISSION
    assert "unauthenticated" not in refused.value.context.metadata


# What does not


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": In(-40)},
        {"exp": None},
        {"exp": "soon"},
        {"exp": [10**12]},
        {"exp": -1},
        {"nbf": In(100)},
        {"nbf": "x"},
        {"iat": In(100)},
        {"aud": None},
        {"aud": "another"},
        {"aud": []},
        {"aud": [["market-spine"]]},
        {"aud": AUDIENCE + "x"},
        {"aud": AUDIENCE.upper()},
        {"aud": {AUDIENCE: 1}},
        {"iss": None},
        {"iss": "https://elsewhere.example"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["ann"]},
        {"headers": {"kid": None}},
        {"headers": {"kid": ""}},
        {"headers": {"kid": "unknown"}},
        {"headers": {"kid": "../one"}},
        {"headers": {"kid": "one' OR '1'='1"}},
        {"headers": {"typ": "logout+jwt"}},
        {"headers": {"typ": "dpop+jwt"}},
        {"headers": {"crit": ["exp"]}},
        {"kid": "encrypts"},
        {"kid": "wraps"},
        {"kid": "of PS256"},
        {"kid": "short"},
    ],
    ids="-".join,
)
def test_a_signed_token_that_is_not_for_us_is_refused(
    provider: Provider, verifier: OidcVerifier, changes: dict[str, Any]
) -> None:
    refusal(verifier, provider.token(**changes))


def test_a_key_that_is_too_short_is_not_only_warned_of(
    provider: Provider, verifier: OidcVerifier
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refusal(verifier, provider.token("short"))


@pytest.mark.parametrize("suffix", ["/", "x"])
def test_the_issuer_is_compared_to_the_letter(
    provider: Provider, verifier: OidcVerifier, suffix: str
) -> None:
    refusal(verifier, provider.token(iss=provider.issuer + suffix))
    refusal(verifier, provider.token(iss=[provider.issuer]))


Forged = Iterator[tuple[str, str]]
MALLORY = {"sub": "mallory", "roles": ["Market Admins"]}


def unsigned(provider: Provider) -> Forged:
    claims = provider.claims(**MALLORY)
    for algorithm in ("none", "None", "nOnE", "NONE", "", None, 0, ["RS256"]):
        for kid in ("one", "secret"):
            yield f"alg {algorithm}", put_together({"alg": algorithm, "kid": kid}, claims, b"")
    yield "no alg", put_together({"kid": "one"}, claims, b"")
    yield "no letter of the curve", put_together({"alg": "ES256K", "kid": "one"}, claims, b"x")
    for size in (0, 63, 64, 65, 96, 132, 256):
        for kid in ("ES256", "ES384", "EdDSA", "RS256", "PS256"):
            header = {"alg": kid, "kid": kid}
            yield f"{size} zeros for {kid}", put_together(header, claims, bytes(size))


def sealed_with_what_is_public(provider: Provider) -> Forged:
    """The public key, in all its forms, as the secret of a seal."""
    claims = provider.claims(**MALLORY)
    published = next(key for key in provider.keys if key.get("kid") == "one")
    public = provider.private["one"][1].public_key()
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "pkcs1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "n": published["n"].encode(),
        "jwk": json.dumps(published).encode(),
        "nothing": b"",
        "published secret": b"s" * 64,
    }
    for (name, secret), bits in product(secrets.items(), (256, 384, 512)):
        seal = partial(_seal, secret, bits)
        for kid in ("one", "secret"):
            header = {"alg": f"HS{bits}", "kid": kid, "typ": "JWT"}
            yield f"HS{bits} with {name}", put_together(header, claims, seal)


def _seal(secret: bytes, bits: int, data: bytes) -> bytes:
    return hmac.digest(secret, data, f"sha{bits}")


def signed_with_another_key(provider: Provider) -> Forged:
    claims = provider.claims(**MALLORY)
    for algorithm in ALGORITHMS:
        mine = new_key(algorithm)
        for kid in ("one", algorithm, "unknown", "broken", "empty"):
            header = {"alg": algorithm, "kid": kid, "jwk": public_jwk(algorithm, mine, kid=kid)}
            token = put_together(header, claims, signing(algorithm, mine))
            yield f"{algorithm} with a key of mine as {kid}", token


def signed_for_another_algorithm(provider: Provider) -> Forged:
    """By the owner of the keys, each with every algorithm that it was not made for."""
    claims = provider.claims(**MALLORY)
    for kid, algorithm in product(ALGORITHMS, ALGORITHMS):
        alike = kid[:2] in ("RS", "PS") and algorithm[:2] in ("RS", "PS")
        if kid != algorithm and not alike:
            made_for, key = provider.private[kid]
            header = {"alg": algorithm, "kid": kid}
            token = put_together(header, claims, signing(made_for, key))
            yield f"{algorithm} with the key {kid}", token


def torn(provider: Provider) -> Forged:
    claims = provider.claims(**MALLORY)
    good = provider.token()
    head, body, mark = good.split(".")
    yield "claims of mine", ".".join((head, base64_of(json.dumps(claims).encode()), mark))
    yield "claims of another", ".".join((head, provider.token(sub="bob").split(".")[1], mark))
    yield "no signature", f"{head}.{body}."
    yield "half a signature", f"{head}.{body}.{mark[: len(mark) // 2]}"
    yield "a longer signature", f"{good}AAAA"
    yield "padded", f"{good}======"
    yield "four parts", f"{good}.{mark}"
    yield "two parts", f"{head}.{body}"
    yield "blank in it", f"{head}. {body}.{mark}"
    yield "line end", f"{good}\n"
    yield "detached", put_together({"alg": "RS256", "kid": "one", "b64": False}, "", b"")
    yield "header is a list", put_together([], claims, b"x")
    yield "header is deep", put_together("[" * 5000 + "]" * 5000, claims, b"x")
    yield "header is no JSON", put_together("{", claims, b"x")
    yield "header is no UTF-8", f"{base64_of(bytes([255] * 8))}.{body}.{mark}"
    yield "no ASCII", f"{head}.é.{mark}"
    yield "a surrogate", f"{head}.\udcff.{mark}"
    yield "nothing", ".."
    yield "too long", provider.token(padding="x" * LONGEST_TOKEN)
    yield "much too long", "x" * 5_000_000
    yield "many dots", "." * LONGEST_TOKEN


FORGERIES = (
    unsigned,
    sealed_with_what_is_public,
    signed_with_another_key,
    signed_for_another_algorithm,
    torn,
)


@pytest.mark.parametrize("forgeries", FORGERIES)
def test_no_forgery_gets_in(
    provider: Provider, verifier: OidcVerifier, forgeries: Callable[[Provider], Forged]
) -> None:
    assert verifier.verify(provider.token()).role is Role.OPERATOR
    tried = 0
    for name, token in forgeries(provider):
        try:
            refusal(verifier, token)
        except BaseException as error:
            error.add_note(name)
            raise
        tried += 1
    assert tried > 20
    assert verifier.verify(provider.token()).role is Role.OPERATOR


def raw_claims(provider: Provider, text: str) -> str:
    """Claims as no encoder writes them, rightly signed."""
    algorithm, key = provider.private["ES256"]
    return put_together({"alg": algorithm, "kid": "ES256"}, text, signing(algorithm, key))


@pytest.mark.parametrize(
    "exp", ["NaN", "Infinity", "1e999", "-1e999", "true", '"9999999999"', "{}", "1" * 5000, "null"]
)
def test_an_expiry_that_is_no_time_lets_nobody_in_for_ever(
    provider: Provider, verifier: OidcVerifier, exp: str
) -> None:
    text = json.dumps(provider.claims(exp=None))[:-1]
    soon = int(time.time()) + 300
    assert verifier.verify(raw_claims(provider, f'{text}, "exp": {soon}}}')).name == "ann"
    token = raw_claims(provider, f'{text}, "exp": {exp}}}')
    if exp.strip('"') == "9999999999":
        assert verifier.verify(token).name == "ann"  # a number all the same
        return
    refusal(verifier, token)


@pytest.mark.parametrize("claims", ["[]", "7", "null", '"text"', "{", "", "[" * 5000])
def test_claims_that_are_no_object_are_refused(
    provider: Provider, verifier: OidcVerifier, claims: str
) -> None:
    refusal(verifier, raw_claims(provider, claims))


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.bank.example/realm",
        "http://10.0.0.7/realm",
        "http://localhost.bank.example",
        "http://127.0.0.1.bank.example",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "login.bank.example",
        "https://bank.example/?tenant=1",
        "https://ann:pw@bank.example",
        "https://bank.example:port",
        "",
    ],
)
def test_keys_come_by_https_or_from_this_machine(issuer: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        OidcVerifier(issuer, AUDIENCE, "roles", ROLES, SystemClock())
    assert "SPINE_OIDC_ISSUER" in str(refused.value.hint)
