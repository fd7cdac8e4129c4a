"""Where a server listens, how its connections are protected, and whom it lets in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc

from ....domain.errors import ConfigurationError
from .listen_address import is_local, listening_address, port_taken

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """What the operator says: the address, and the files (PEM) that protect it.

    With ``client_ca`` every client has to show a certificate that was signed by one of it.
    ``insecure`` lets everybody in, wherever they come from.
    """

    listen: str
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    insecure: bool = False

    def checked(self) -> str:
        """The address as gRPC takes it.

        Raises a ConfigurationError for what cannot be, and for an address that others reach
        without TLS unless that is what was asked for.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigurationError(
                "one of the certificate and its key is missing",
                hint="give both --tls-cert and --tls-key",
            )
        if self.client_ca is not None and self.tls_cert is None:
            raise ConfigurationError(
                "certificates of clients are asked for, but the server has none itself",
                hint="give --tls-cert and --tls-key as well",
            )
        protected = self.tls_cert is not None
        return listening_address(self.listen, anywhere=self.insecure or protected)

    @property
    def demands_credentials(self) -> bool:
        """Whether nobody is let in without credentials."""
        if self.insecure:
            return False
        return self.client_ca is not None or not is_local(self.listen)

    def add_port(self, server: grpc.aio.Server) -> int:
        """Listen; the port. Raises a ConfigurationError where that is not possible."""
        address = self.checked()
        try:
            if self.tls_cert is None:
                return server.add_insecure_port(address)
            return server.add_secure_port(address, self._credentials())
        except RuntimeError as error:
            raise port_taken(address, error) from error

    def _credentials(self) -> grpc.ServerCredentials:
        known = [self._certificates()]
        stamps = [self._stamps()]

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            """Certificates are renewed while the server runs: the next connection takes them."""
            try:
                stamp = self._stamps()
                if stamp == stamps[0]:
                    return None
                found = self._certificates()
            except (ConfigurationError, OSError) as error:
                _log.warning("the new certificate cannot be used, the old one stays: %s", error)
                return None
            known[0], stamps[0] = found, stamp
            return found

        return grpc.dynamic_ssl_server_credentials(
            known[0],
            renewed,  # type: ignore[arg-type]  # None says that nothing has changed
            require_client_authentication=self.client_ca is not None,
        )

    def _certificates(self) -> grpc.ServerCertificateConfiguration:
        assert self.tls_cert is not None and self.tls_key is not None  # noqa: S101, PT018  # see checked
        key, chain = _read(self.tls_key), _read(self.tls_cert)
        _check_pair(self.tls_cert, self.tls_key)
        roots = None if self.client_ca is None else _read(self.client_ca)
        if self.client_ca is not None:
            _check_authorities(self.client_ca)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)

    def _stamps(self) -> list[float]:
        files = (self.tls_key, self.tls_cert, self.client_ca)
        return [file.stat().st_mtime_ns for file in files if file is not None]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}",
            hint="name a PEM file that this user may read",
            cause=error,
        ) from error


def _check_pair(cert: Path, key: Path) -> None:
    """GRPC would listen with a certificate that fits no key, and refuse every connection."""
    import ssl  # noqa: PLC0415  # only where there is TLS

    try:
        # It loads both from their files, and asks for no password.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key, password=b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"{cert} is no certificate in PEM, or {key} is not its key",
            hint="give the certificate with its chain, and its key without a password",
            cause=error,
        ) from error


def _check_authorities(path: Path) -> None:
    """With a file that names nobody gRPC would listen, and refuse everybody without a word."""
    import ssl  # noqa: PLC0415  # only where there is TLS

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(path)
        known = len(context.get_ca_certs()) > 0 or context.cert_store_stats()["x509"] > 0
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _no_authority(path) from error
    if not known:
        raise _no_authority(path)


def _no_authority(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} holds no certificate in PEM that could have signed those of clients",
        hint="give the certificates of the authorities that sign your clients'",
    )
