"""What each method demands of its callers, as the protos declare it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.descriptor import ServiceDescriptor

from ....domain.access import Role
from ....domain.errors import ConfigurationError
from ....v1 import access_pb2


@dataclass(frozen=True, slots=True)
class Rule:
    """The least role that may call a method, and whether the call may change something."""

    role: Role
    writes: bool


def rules_of(services: Iterable[ServiceDescriptor]) -> Mapping[str, Rule]:
    """The rule of every method, by its path "/package.Service/Method".

    Raises a ConfigurationError for a method that declares no role.
    """
    rules: dict[str, Rule] = {}
    for service in services:
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            access: access_pb2.Access = method.GetOptions().Extensions[access_pb2.access]  # type: ignore[index]  # generated
            name = access_pb2.Role.Name(access.role).removeprefix("ROLE_")
            if name not in Role.__members__:
                raise ConfigurationError(
                    f"{path} does not say who may call it",
                    hint="give the method an option (access) with a role, in its proto",
                )
            rules[path] = Rule(Role(name), access.writes)
    return MappingProxyType(rules)
