"""Settings of who may call a server, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from ..adapters.outbound.identity.trusted_urls import url_problem
from ..domain.access import Role

Roles = Annotated[dict[str, Role], NoDecode]
"""Names and their roles. Written as ``NAME=ROLE,...``, or in TOML as a list of that or a table."""


class AccessSettings(BaseSettings):
    """What a server has to know to recognise its callers, beside the tokens in its store."""

    oidc_issuer: str | None = Field(
        None, description="identity provider whose signed tokens (JWT) are accepted: https://..."
    )
    oidc_audience: str | None = Field(
        None,
        validate_default=True,
        description="for whom such a token has to be made out: what the provider calls this server",
    )
    oidc_role_claim: str = Field(
        "roles",
        min_length=1,
        description="claim of such a token that names roles; dots lead into objects",
    )
    oidc_roles: Roles = Field(
        default_factory=lambda: {role.value.lower(): role for role in Role},
        description="what a value of that claim means: VALUE=viewer, operator or admin, separated "
        "by commas; default: the roles by their own names",
    )
    client_roles: Roles = Field(
        default_factory=dict,
        description="what a client certificate may do: NAME=viewer, operator or admin, separated "
        "by commas",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _trustworthy_issuer(cls, value: str | None) -> str | None:
        problem = None if value is None else url_problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value

    @field_validator("oidc_audience")
    @classmethod
    def _audience_with_issuer(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A wrong issuer is not there, and is told of itself.
        issuer = info.data.get("oidc_issuer", value)
        if (issuer is None) != (value is None):
            raise ValueError("oidc_issuer and oidc_audience are given together, or neither")
        return value

    @field_validator("oidc_roles", "client_roles", mode="before")
    @classmethod
    def _readable_roles(cls, value: Any) -> Any:
        return read_roles(value)


def read_roles(value: Any) -> dict[str, Role]:
    """Names and roles from what was set; raises a ValueError for anything else.

    A name may hold ``=``: the last one is what parts it from its role.
    """
    if isinstance(value, Mapping):
        texts = [f"{name}={role}" for name, role in value.items()]
    else:
        items = value if isinstance(value, list | tuple) else str(value).split(",")
        texts = [text for item in items if (text := str(item).strip())]
    found: dict[str, Role] = {}
    for text in texts:
        name, _, role = (part.strip() for part in text.rpartition("="))
        if not name or role.upper() not in Role.__members__:
            raise ValueError(f"{text!r} is no role of a name: write NAME=viewer, operator or admin")
        if name in found:
            raise ValueError(f"{name!r} is given two roles")
        found[name] = Role[role.upper()]
    return found
