"""Settings from the environment and a TOML file; with neither, everything has a default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ..adapters.outbound.sql.choosing import with_password
from ..adapters.outbound.sql.connection_limits import ConnectionLimits
from ..domain.errors import ConfigurationError
from ..domain.queueing import DEFAULT_POOL
from .access_settings import AccessSettings
from .config_file import CONFIG_FILE, CONFIG_VARIABLE, config_file, unreadable

PROCESSES = "processes"
INLINE = "inline"
_LISTS = ("modules", "pools", "file_roots", "secret_roots", "secret_names")


class Settings(AccessSettings):
    """What can be set. Environment variables (``SPINE_HOME``, ...) win over the TOML file.

    The file is the one that ``SPINE_CONFIG`` names, else ``spine.toml`` in the working folder.
    """

    model_config = SettingsConfigDict(env_prefix="SPINE_", env_ignore_empty=True, extra="forbid")

    home: Path = Field(Path(".spine"), description="folder of database, archive and caches")
    database_url: SecretStr | None = Field(
        None, description="store; default: an SQLite file in the home folder"
    )
    database_timeout: float = Field(
        30.0, gt=0, description="seconds to wait for another writer before giving up"
    )
    database_password_file: Path | None = Field(
        None, description="file with the password for the database URL"
    )
    database_pool_size: int = Field(
        8, ge=1, le=1000, description="connections to read with, and as many to write with"
    )
    database_pool_timeout: float = Field(
        30.0, gt=0, description="seconds to wait for one of these connections"
    )
    database_connect_timeout: float = Field(
        10.0, gt=0, description="seconds to wait for the database server to answer"
    )
    database_statement_timeout: float | None = Field(
        None, gt=0, description="seconds after which the database ends a statement"
    )
    modules: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="modules with pipelines, workflows and sources, separated by commas"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    log_format: Literal["console", "json"] = "console"
    source_attempts: int = Field(3, ge=1, le=100, description="tries to open and read a source")
    source_delay: float = Field(1.0, ge=0, description="seconds between these tries")

    execution: str = Field(
        PROCESSES,
        description="what executes queued runs: processes, inline, dask or dask://host:8786",
    )
    execution_memory: int | None = Field(
        None, ge=64, description="most MiB of address space for each executing process"
    )
    concurrency: int | None = Field(
        None, ge=1, le=1000, description="runs that a worker executes at once; default: one a core"
    )
    pools: Annotated[tuple[str, ...], NoDecode] = Field(
        (DEFAULT_POOL,),
        description="pools that a worker takes runs from, separated by commas; NAME=N allows N "
        "runs at once over all workers",
    )
    lease: float = Field(
        30.0, ge=1, le=3600, description="seconds after which a silent process has lost its runs"
    )
    grace: float = Field(
        10.0, ge=0, le=3600, description="seconds that a run has to end when it is told to"
    )

    file_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="folders whose files may be named by who asks through the API, separated by "
        "commas; files that were brought may be named in any case",
    )
    secret_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("/run/secrets"),),
        description="folders below which callers of the API may refer to secrets as file:PATH, "
        "separated by commas",
    )
    secret_names: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",),
        description="variables of the environment that callers of the API may refer to as "
        "env:NAME, separated by commas; * stands for any letters; never those of this software",
    )
    upload_limit: int = Field(
        4096, ge=1, description="most MiB of one file that is brought through the API"
    )

    server: str | None = Field(
        None, description="a server to ask instead of a store of one's own: host:port"
    )
    token: SecretStr | None = Field(None, description="what that server knows the caller by")
    token_file: Path | None = Field(None, description="file with that token")
    server_ca: Path | None = Field(
        None, description="PEM file with the certificates by which that server is recognised"
    )
    client_cert: Path | None = Field(None, description="PEM file with a client certificate")
    client_key: Path | None = Field(None, description="PEM file with the key of it")

    @field_validator("execution")
    @classmethod
    def _known_execution(cls, value: str) -> str:
        if value not in (PROCESSES, INLINE) and not is_dask(value):
            raise ValueError("it is processes, inline, dask or dask://host:8786")
        return value

    @field_validator("pools")
    @classmethod
    def _readable_pools(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_pools(value)
        return value

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def upload_bytes(self) -> int:
        """The most bytes of one file that is brought."""
        return self.upload_limit * 1024 * 1024

    @property
    def pool_limits(self) -> dict[str, int | None]:
        """The pools to take from, with the most runs at once of each."""
        return read_pools(self.pools)

    @property
    def url(self) -> str:
        """The store's URL, password included: for the driver only."""
        if self.database_url is None:
            return f"sqlite:///{quote(str(self.home.absolute() / 'spine.db'))}"
        return self.completed(self.database_url.get_secret_value())

    def completed(self, url: str) -> str:
        """``url``, with the password of the file where it is the one that is set."""
        configured = self.database_url and self.database_url.get_secret_value()
        if self.database_password_file is None or url != configured:
            return url
        return with_password(url, self.database_password_file)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """How many connections the store holds, and how long it waits."""
        return ConnectionLimits(
            busy_timeout=self.database_timeout,
            pool_size=self.database_pool_size,
            pool_timeout=self.database_pool_timeout,
            connect_timeout=self.database_connect_timeout,
            statement_timeout=self.database_statement_timeout,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic names them
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=config_file()),
        )


def is_dask(execution: str) -> bool:
    """Whether runs are executed by Dask."""
    return execution == "dask" or execution.startswith("dask://")


def read_pools(texts: Iterable[str]) -> dict[str, int | None]:
    """``NAME`` or ``NAME=N`` as names and limits; raises a ValueError for anything else."""
    found: dict[str, int | None] = {}
    for text in texts:
        name, mark, limit = (part.strip() for part in text.partition("="))
        if not name or name.startswith("@") or (mark and not (limit.isdigit() and int(limit))):
            raise ValueError(f"{text!r} is no pool: write NAME or NAME=N")
        found[name] = int(limit) if mark else None
    if not found:
        raise ValueError("no pool is named")
    return found


def load_settings(**given: Any) -> Settings:
    """The settings in force; raises a ConfigurationError that names each wrong one."""
    file = config_file()
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = {
            (name := ".".join(str(part) for part in item["loc"])): _problem(name, item)
            for item in error.errors()
        }
        listed = "; ".join(f"{name}: {what}" for name, what in wrong.items())
        raise ConfigurationError(
            f"wrong settings: {listed}",
            hint=f"see SPINE_* in the environment and {file or CONFIG_FILE}; known: "
            + ", ".join(Settings.model_fields),
            metadata={"settings": wrong},
        ) from None
    except ValueError as error:
        raise unreadable(file, error) from error


def _problem(name: str, item: Mapping[str, Any]) -> str:
    if item["type"] != "extra_forbidden":
        return str(item["msg"])
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return "no such setting" + (f"; did you mean {close[0]}?" if close else "")


def did_you_mean(variable: str) -> str:
    """The setting that a misspelled variable most likely means, as the end of a sentence."""
    name = variable.upper().removeprefix("SPINE_").lower()
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean SPINE_{close[0].upper()}?" if close else ""


def unknown_variables() -> list[str]:
    """Variables that begin like a setting and are none: most likely misspelled.

    Those for tests are left out: the software does not look at them.
    """
    known = {f"SPINE_{name.upper()}" for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return sorted(
        name
        for name in os.environ
        if name.startswith("SPINE_")
        and name.upper() not in known
        and not name.startswith(("SPINE_TEST_", "SPINE_DB2_"))
    )
