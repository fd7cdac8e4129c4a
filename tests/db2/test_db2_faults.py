"""What Db2 complains of, provoked for real: each has its own fault and category."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from db2_rig import URL_VARIABLE, Rig
from db2_schemas import connected
from sqlalchemy import Connection, insert, make_url, select, update

from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.database_faults import Fault
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.schema_core import CAPTURES, MANIFEST, RUNS
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, ConfigurationError, ConflictError, SpineError
from market_spine.testing.store_suite_samples import NOON, OTC, a_capture, a_run, with_capture

PASSWORD = "correct-horse-7"
IMPATIENT = ConnectionLimits(busy_timeout=1, pool_size=2, pool_timeout=0.2, connect_timeout=30)


@pytest.fixture
def store(db2_url: str) -> Iterator[SqlStore]:
    store = SqlStore(db2_url, IMPATIENT)
    store.ensure_ready()
    yield store
    store.close()


@contextmanager
def writing(store: SqlStore) -> Iterator[Connection]:
    """A connection of the store's own, as its units of work have it."""
    with store._database.connect(Access.WRITE) as connection:
        connection.begin()
        yield connection


def fault_of(error: SpineError) -> str:
    return str(error.context.metadata["fault"])


def run_values(run_id: str, **changes: object) -> dict[str, object]:
    values = {"run_id": run_id, "pipeline": "p", "run_state": "RUNNING", "created_at": NOON}
    texts = dict.fromkeys(("parameters_json", "metrics_json", "warnings_json"), "{}")
    return {**values, **texts, **changes}


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


def refused(url: str, fault: Fault) -> SpineError:
    store = SqlStore(url, IMPATIENT)
    with pytest.raises(SpineError) as caught:
        store.status()
    store.close()
    assert fault_of(caught.value) == fault, caught.value
    assert PASSWORD not in repr(caught.value) + str(caught.value.to_dict())
    return caught.value


def test_a_wrong_password_is_an_authentication_fault(db2_server: str) -> None:
    error = refused(changed(db2_server, password=PASSWORD), Fault.AUTHENTICATION)
    assert error.category is Category.PERMISSION


def test_nobody_listening_is_unreachable(db2_server: str) -> None:
    error = refused(changed(db2_server, host="127.0.0.1", port=1), Fault.UNREACHABLE)
    assert error.category is Category.DEPENDENCY
    assert "127.0.0.1:1" in error.message


def test_a_host_that_is_not_there_is_unreachable(db2_server: str) -> None:
    refused(changed(db2_server, host="no-such-host.invalid"), Fault.UNREACHABLE)


def test_tls_with_a_server_that_speaks_none_is_a_tls_fault(db2_server: str) -> None:
    if URL_VARIABLE in os.environ:
        pytest.skip("whether the given server speaks TLS is not known")
    encrypted = make_url(db2_server).update_query_dict({"SECURITY": "SSL"})
    refused(encrypted.render_as_string(hide_password=False), Fault.TLS)


def test_a_certificate_that_is_not_there_is_a_tls_fault(db2_server: str) -> None:
    options = {"SECURITY": "SSL", "SSLServerCertificate": "/no/such/certificate.arm"}
    encrypted = make_url(db2_server).update_query_dict(options)
    error = refused(encrypted.render_as_string(hide_password=False), Fault.TLS)
    assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"password": "pass;word"}, "semicolon"),
        ({"username": "u;PWD=x"}, "UID"),
        ({"database": "D;HOSTNAME=elsewhere"}, "DATABASE"),
        ({"query": {"Security": "SSL;PWD=x"}}, "Security"),
        ({"query": {"CurrentSchema": "A;B"}}, "CurrentSchema"),
        ({"query": {"CurrentSchema": 'A" B'}}, "CurrentSchema"),
    ],
)
def test_what_the_driver_cannot_be_told_is_refused(part: dict[str, object], told: str) -> None:
    url = changed("db2+ibm_db://user:word@host:50000/DB", **part)
    with pytest.raises(ConfigurationError) as caught:
        dialect_of(url)
    assert told in caught.value.message + caught.value.hint
    assert "word" not in caught.value.message.replace("password", "")


def test_a_url_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no database"):
        dialect_of("db2+ibm_db://user@host:50000")


def test_the_same_row_twice_is_a_unique_fault(store: SqlStore) -> None:
    with writing(store) as connection:
        connection.execute(insert(RUNS), run_values("r"))
        with pytest.raises(SpineError) as caught:
            connection.execute(insert(RUNS), run_values("r"))
    assert fault_of(caught.value) == Fault.UNIQUE
    assert caught.value.category is Category.LOAD


def test_what_refers_to_nothing_is_a_foreign_key_fault(store: SqlStore) -> None:
    with writing(store) as connection, pytest.raises(SpineError) as caught:
        connection.execute(insert(RUNS), run_values("r", parent_id="nobody"))
    assert fault_of(caught.value) == Fault.FOREIGN_KEY


def test_null_where_none_may_be_is_a_constraint_fault(store: SqlStore) -> None:
    with writing(store) as connection, pytest.raises(SpineError) as caught:
        connection.execute(insert(RUNS), run_values("r", pipeline=None))
    assert fault_of(caught.value) == Fault.CONSTRAINT


@pytest.mark.parametrize("value", ["x" * 201, "half \ud800 a character"])
def test_text_that_does_not_fit_is_an_invalid_value(store: SqlStore, value: str) -> None:
    with writing(store) as connection, pytest.raises(SpineError) as caught:
        connection.execute(insert(RUNS), run_values("r", pipeline=value))
    assert fault_of(caught.value) == Fault.INVALID_VALUE
    assert caught.value.category is Category.VALIDATION


def test_half_a_character_among_many_rows_is_an_invalid_value(store: SqlStore) -> None:
    keys = [{"run_id": "a\ud800", "capture_key": 1, "stage": name} for name in "ab"]
    rest = {"reached_at": NOON, "row_count": 1, "blocked": 0}
    with writing(store) as connection, pytest.raises(SpineError) as caught:
        connection.execute(insert(MANIFEST), [{**key, **rest} for key in keys])
    assert fault_of(caught.value) == Fault.INVALID_VALUE


def test_a_number_that_does_not_fit_is_an_invalid_value(store: SqlStore) -> None:
    with writing(store) as connection, pytest.raises(SpineError) as caught:
        connection.execute(update(CAPTURES).values(rows_read=2**63))
    assert fault_of(caught.value) == Fault.INVALID_VALUE


def test_a_schema_without_tables_is_a_configuration_fault(db2_url: str) -> None:
    with connected(db2_url) as connection, pytest.raises(ConfigurationError) as caught:
        connection.execute(select(RUNS.c.run_id))
    assert fault_of(caught.value) == Fault.MISSING_OBJECT
    assert "spine db upgrade" in caught.value.hint


def test_waiting_in_vain_for_a_lock_is_a_lock_timeout(store: SqlStore) -> None:
    with store.write() as holder:
        holder.lock(OTC)
        started = time.monotonic()
        with store.write() as waiting, pytest.raises(SpineError) as caught:
            waiting.lock(OTC)
        assert time.monotonic() - started < 10
        assert fault_of(caught.value) == Fault.LOCK_TIMEOUT
        assert caught.value.retryable
    with store.write() as after:
        after.lock(OTC)


def test_of_two_that_wait_for_each_other_one_is_rolled_back_as_a_whole(store: SqlStore) -> None:
    with store.write() as unit:
        for name in ("a", "b"):
            unit.runs.add(a_run(name))
        unit.commit()
    both_hold = threading.Barrier(2, timeout=30)
    caught: list[SpineError] = []

    def change(first: str, second: str) -> None:
        with store.write() as unit:
            unit.runs.add(a_run(f"by {first}"))
            unit.runs.finish(a_run(first))
            both_hold.wait()
            try:
                unit.runs.finish(a_run(second))
                unit.commit()
            except SpineError as error:
                caught.append(error)
                # Whoever swallows it is told again, with what it does next.
                with pytest.raises(ConflictError, match="waited for each other"):
                    unit.runs.add(a_run("alone"))
                with pytest.raises(ConflictError, match="waited for each other"):
                    unit.commit()

    threads = [threading.Thread(target=change, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (deadlock,) = caught
    assert fault_of(deadlock) == Fault.DEADLOCK
    assert deadlock.retryable
    with store.read() as unit:
        left = {name for name in ("by a", "by b", "alone") if unit.runs.get(name)}
    assert len(left) == 1
    assert left <= {"by a", "by b"}


def test_no_connection_free_is_a_pool_timeout(store: SqlStore) -> None:
    with store.read(), store.read(), pytest.raises(SpineError) as caught, store.read():
        pass
    assert fault_of(caught.value) == Fault.POOL_TIMEOUT
    assert caught.value.retryable


def test_a_statement_that_takes_too_long_is_ended(request: pytest.FixtureRequest) -> None:
    # The emulation cannot end a statement: its server is one that is thrown away.
    given = URL_VARIABLE in os.environ
    url = request.getfixturevalue("db2_url" if given else "mortal_db2")
    store = SqlStore(getattr(url, "url", url), ConnectionLimits(statement_timeout=1))
    store.ensure_ready()
    (one,) = with_capture(store, "one")
    with store.write() as unit:
        unit.captures.add(a_capture("two"))
        unit.commit()
    tables = ", ".join(f"captures c{number}" for number in range(30))
    with store._database.connect(Access.READ) as connection, pytest.raises(SpineError) as caught:
        connection.exec_driver_sql(f"SELECT count(*) FROM {tables}").scalar_one()
    # There the driver drops the connection instead.
    ended = Fault.STATEMENT_TIMEOUT if given else Fault.CONNECTION_LOST
    assert fault_of(caught.value) == ended
    with store.read() as unit:
        assert unit.captures.get("one") == one
    store.close()


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    mortal_db2: Rig,
) -> None:
    store = SqlStore(mortal_db2.url, IMPATIENT)
    store.ensure_ready()
    with_capture(store, "one")
    with store.read() as unit:
        unit.captures.get("one")
    mortal_db2.kill()
    with pytest.raises(SpineError) as caught, store.read() as unit:
        unit.captures.get("one")
    assert fault_of(caught.value) in {Fault.UNREACHABLE, Fault.CONNECTION_LOST}
    mortal_db2.start()
    for _ in range(3):
        with store.read() as reader, store.write() as writer:
            assert reader.captures.get("one") is not None
            assert writer.captures.get("one") is not None
    store.close()


def test_a_connection_lost_while_it_is_used_ends_the_unit_of_work(mortal_db2: Rig) -> None:
    store = SqlStore(mortal_db2.url, IMPATIENT)
    store.ensure_ready()
    with store.write() as unit:
        unit.runs.add(a_run())
        mortal_db2.kill()
        with pytest.raises(SpineError) as caught:
            unit.runs.add(a_run("run-2"))
        assert fault_of(caught.value) == Fault.CONNECTION_LOST
        mortal_db2.start()
        with pytest.raises(SpineError):
            unit.commit()
    with store.write() as unit:
        assert unit.runs.get("run-1") is None
        unit.runs.add(a_run())
        unit.commit()
    store.close()


def test_the_driver_is_loaded_for_db2_only(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from market_spine.adapters.outbound.sql.store import SqlStore\n"
        f"SqlStore('sqlite:///{tmp_path}/spine.db').ensure_ready()\n"
        "assert not [name for name in sys.modules if name.startswith('ibm_db')]\n"
        "SqlStore('db2+ibm_db://host/DB')\n"
        "assert 'ibm_db' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
