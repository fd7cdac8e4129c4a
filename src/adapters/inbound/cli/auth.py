"""``spine auth``: tokens for callers of the API, and the log of what callers changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, output, times
from .methods import PACKAGE, full_name

if TYPE_CHECKING:
    from ....domain.access import AccessToken, AuditEntry

app = typer.Typer(
    help="Who may call the API, and who changed what.", no_args_is_help=True, rich_markup_mode=None
)
tokens = typer.Typer(
    help="Tokens: made, listed, revoked.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(tokens, name="token")

_NEVER = "never"


@tokens.command("create")
def create(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Option(
            help="What will use it; the audit log tells who called by it.", metavar="NAME"
        ),
    ],
    role: Annotated[
        str, typer.Option(help="What it allows: viewer, operator or admin.", metavar="ROLE")
    ],
    expires: Annotated[
        str, typer.Option(help="How long it is valid: 90d, 12h, never.", metavar="AGE")
    ] = "90d",
    json: asking.Json = False,
) -> None:
    """Make a token, and print it: once, because only its digest is stored.

    viewer reads what is stored, operator submits and cancels runs, admin deletes history and reads
    the audit log. Callers send it as 'authorization: Bearer TOKEN'.

    For example:

      spine auth token create --name nightly-loader --role operator > token

      spine auth token create --name dashboard --role viewer --expires never
    """
    with output.errors_shown():
        from ....domain.access import Role

        needed = asking.one_of(role, Role, "--role", "role")
        age = None if expires.strip().lower() == _NEVER else times.age(expires, "--expires")
        assert needed is not None  # noqa: S101  # it was given
        token, text = asking.services(context).tokens().create(name, needed, age)
        if json:
            output.print_json({**_document(token), "token": text})
        else:
            output.say(text, whole=True)
        until = "for ever" if token.expires_at is None else f"until {token.expires_at:%F %T} UTC"
        output.note(
            f"note: it cannot be shown again; {token.role.value.lower()} {until}. To take it back: "
            f"spine auth token revoke {token.id}"
        )


@tokens.command("list")
def list_tokens(context: typer.Context, json: asking.Json = False) -> None:
    """List tokens, newest first, also those that are valid no more. None of them can be shown."""
    with output.errors_shown():
        found = asking.services(context).tokens().list()
        if json:
            output.print_json([_document(token) for token in found])
            return
        columns: Mapping[str, Callable[[AccessToken], Any]] = {
            "token": lambda token: token.id,
            "name": lambda token: token.name,
            "role": lambda token: token.role.value.lower(),
            "state": _state,
            "created": lambda token: token.created_at,
            "expires": lambda token: token.expires_at or _NEVER,
            "revoked": lambda token: token.revoked_at,
        }
        output.table(
            "",
            list(columns),
            ([read(token) for read in columns.values()] for token in found),
            narrowing=("created", "revoked", "expires"),
        )


@tokens.command("revoke")
def revoke(
    context: typer.Context,
    token_id: Annotated[
        str, typer.Argument(help="Id of the token, as the list tells it.", metavar="TOKEN")
    ],
    json: asking.Json = False,
) -> None:
    """Take a token back. Safe to repeat. Servers refuse it 5 seconds later at the latest."""
    with output.errors_shown():
        token = asking.services(context).tokens().revoke(token_id)
        if json:
            output.print_json(_document(token))
        else:
            output.say(f"token {token.id} of {token.name} is revoked")


@app.command("log")
def log(
    context: typer.Context,
    caller: Annotated[str | None, typer.Option(help="Only calls of this caller.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Only this method, such as SubmitRun.", metavar="NAME")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Only calls before this one: the next page.", metavar="CALL"),
    ] = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List who asked for which change, when, and with what outcome; newest first.

    A call without an outcome is being executed, or its server died meanwhile.

    Example: spine auth log --caller nightly-loader --method CancelRun
    """
    with output.errors_shown():
        from ....domain.access import AuditFilter

        called = None if method is None else full_name(method)
        wanted = AuditFilter(caller, called, before, limit)
        found = asking.services(context).audit_log().list(wanted) if limit else []
        if json:
            output.print_json(found)
            return
        _show(found)
        if limit and len(found) == limit:
            output.say(f"next page: the same with --before {found[-1].id}", whole=True)


def _show(found: Sequence[AuditEntry]) -> None:
    columns: Mapping[str, Callable[[AuditEntry], Any]] = {
        "time": lambda entry: entry.at,
        "caller": lambda entry: entry.caller,
        "role": lambda entry: entry.role.value.lower(),
        "from": lambda entry: entry.peer,
        "method": lambda entry: entry.method.removeprefix(PACKAGE),
        "resource": lambda entry: entry.resource or None,
        "outcome": lambda entry: entry.outcome,
        "result": lambda entry: entry.result or None,
    }
    output.table(
        "",
        list(columns),
        ([read(entry) for read in columns.values()] for entry in found),
        narrowing=("from", "role", "result"),
    )


def _document(token: AccessToken) -> dict[str, Any]:
    document: dict[str, Any] = output.plain(token)
    return {**document, "state": _state(token)}


def _state(token: AccessToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expired(datetime.now(UTC)) else "valid"
