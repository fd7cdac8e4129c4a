"""What of a database URL may be shown: nothing that is not known to be harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote_plus

from sqlalchemy.engine.url import URL

from ....domain.redaction import MASK, redact

# Any other option is masked: a misspelled password is one that the driver refuses by its name.
_HARMLESS = re.compile(
    r"""(?ix)
    # PostgreSQL's
    host | hostaddr | port | service | options | application_name | fallback_application_name
    | client_encoding | connect_timeout | tcp_user_timeout
    | keepalives | keepalives_idle | keepalives_interval | keepalives_count
    | target_session_attrs | load_balance_hosts | channel_binding | gssencmode | require_auth
    | sslmode | sslnegotiation | sslsni | sslcert | sslkey | sslrootcert | sslcrl | sslcrldir
    | ssl_min_protocol_version | ssl_max_protocol_version
    # Db2's
    | currentschema | hostname | protocol | connecttimeout | querytimeoutinterval
    | clientapplname | lobcachesize | ibmdbsa_log
    | authentication | security | sslservercertificate | sslclientkeystoredb | sslclientkeystash
    # SQLite's
    | mode | cache | immutable | uri
    """
)
_SECRET_SETTING = re.compile(r"(?i)passw|pwd|secret|token|key|credential")
_SHORTEST = 4
"""An unknown option's value that is shorter is left in texts: masking it tears words apart."""


def shown(url: URL) -> str:
    """The URL without its password and without the values of options that may hold a secret."""
    place = url.set(query={}).render_as_string(hide_password=True)
    options = "&".join(
        f"{quote_plus(name)}={quote_plus(value) if _harmless(name, value) else MASK}"
        for name, value in _options(url)
    )
    return redact(f"{place}?{options}" if options else place)


def secrets(url: URL) -> list[str]:
    """All that must not stand in a text, the longest first."""
    found = {
        value
        for name, value in _options(url)
        if len(value) >= _SHORTEST and not _harmless(name, value)
    }
    if url.password:
        found.add(str(url.password))
    return sorted(found, key=len, reverse=True)


def _harmless(name: str, value: str) -> bool:
    if _HARMLESS.fullmatch(name) is None:
        return False
    if name.lower() == "options":
        # Settings of the server's extensions may be secrets as well.
        return _SECRET_SETTING.search(value) is None
    # Db2's driver would take what stands behind a semicolon for a keyword of its own.
    return ";" not in value


def _options(url: URL) -> Iterator[tuple[str, str]]:
    for name, values in url.normalized_query.items():
        for value in values:
            yield name, value
