"""Settings of who may call: read from the environment and from TOML; wrong ones are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.identity.oidc import OidcVerifier
from market_spine.bootstrap.container import build_container
from market_spine.bootstrap.settings import load_settings
from market_spine.domain.access import PrincipalKind, Role
from market_spine.domain.errors import ConfigurationError, SpineError

ISSUER = "https://login.bank.example/realm"


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        monkeypatch.delenv(name)


def test_without_settings_only_tokens_of_ours_are_known() -> None:
    settings = load_settings()
    assert settings.oidc_issuer is None
    assert settings.oidc_roles == {role.value.lower(): role for role in Role}
    assert settings.client_roles == {}
    assert build_container(settings, TerminalProgress()).token_verifier() is None


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("ann=viewer", {"ann": Role.VIEWER}),
        (" a = Admin , b=OPERATOR,, ", {"a": Role.ADMIN, "b": Role.OPERATOR}),
        ("CN=loader=operator", {"CN=loader": Role.OPERATOR}),
        ("spiffe://bank/ns/loader=viewer", {"spiffe://bank/ns/loader": Role.VIEWER}),
        ("Market Admins=admin", {"Market Admins": Role.ADMIN}),
    ],
)
def test_roles_are_written_behind_names(
    monkeypatch: pytest.MonkeyPatch, text: str, roles: dict[str, Role]
) -> None:
    monkeypatch.setenv("SPINE_CLIENT_ROLES", text)
    monkeypatch.setenv("SPINE_OIDC_ROLES", text)
    settings = load_settings()
    assert settings.client_roles == settings.oidc_roles == roles


@pytest.mark.parametrize(
    "toml",
    [
        'client_roles = "a,b=viewer"',
        'client_roles = ["x=boss"]',
        "client_roles = 7",
        "client_roles = [7]",
        'client_roles = ["=viewer"]',
        'client_roles = ["a=viewer", "a=admin"]',
        "[client_roles]\na = 1",
    ],
)
def test_roles_that_are_none_are_named(toml: str) -> None:
    Path("spine.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match="wrong settings: client_roles"):
        load_settings()


@pytest.mark.parametrize(
    "toml",
    [
        'client_roles = "a, b=viewer"',
        'client_roles = ["a, b=viewer"]',
        '[client_roles]\n"a, b" = "viewer"',
    ],
)
def test_a_list_or_a_table_takes_names_with_commas(toml: str) -> None:
    Path("spine.toml").write_text(toml)
    if toml.startswith('client_roles = "'):
        with pytest.raises(ConfigurationError):
            load_settings()
        return
    assert load_settings().client_roles == {"a, b": Role.VIEWER}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"ISSUER": ISSUER}, "oidc_audience"),
        ({"AUDIENCE": "spine"}, "oidc_audience"),
        ({"ISSUER": "http://login.bank.example", "AUDIENCE": "spine"}, "oidc_issuer"),
        ({"ISSUER": "login.bank.example", "AUDIENCE": "spine"}, "oidc_issuer"),
    ],
)
def test_half_a_provider_or_one_that_nobody_can_trust_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], wrong: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"SPINE_OIDC_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert set(caught.value.context.metadata["settings"]) == {wrong}


def test_a_provider_and_certificates_are_wired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_OIDC_ISSUER", ISSUER)
    monkeypatch.setenv("SPINE_OIDC_AUDIENCE", "spine")
    monkeypatch.setenv("SPINE_CLIENT_ROLES", "loader=operator")
    container = build_container(load_settings(), TerminalProgress())
    assert isinstance(container.token_verifier(), OidcVerifier)

    authenticate = container.authenticate()
    loader = authenticate.principal_of_certificate(["loader"])
    assert (loader.role, loader.kind) == (Role.OPERATOR, PrincipalKind.CERTIFICATE)
    with pytest.raises(SpineError, match="is refused"):  # by who judges signed tokens
        authenticate("a.b.c")
    _, text = container.create_token()("nightly", Role.ADMIN, None)
    assert authenticate(text).role is Role.ADMIN
    assert [token.name for token in container.list_tokens()()] == ["nightly"]
    container.admin().close()
