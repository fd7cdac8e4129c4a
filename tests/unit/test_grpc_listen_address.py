"""The server listens on this machine only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.listen_address import is_local, listening_address
from market_spine.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("listen", "bound"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("127.9.8.7:1", "127.9.8.7:1"),
        ("localhost:0", "127.0.0.1:0"),
        ("[::1]:65535", "[::1]:65535"),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
        ("127.0.0.1:00080", "127.0.0.1:80"),
    ],
)
def test_an_address_of_this_machine_is_taken(listen: str, bound: str) -> None:
    assert listening_address(listen) == bound


@pytest.mark.parametrize(
    "listen",
    [
        "0.0.0.0:50051",
        "[::]:50051",
        "10.1.2.3:50051",
        "[fe80::1]:50051",
        "[::ffff:10.0.0.1]:50051",
        "example.org:50051",
        "localhost.example.org:50051",
        "128.0.0.1:50051",
    ],
)
def test_an_address_that_others_reach_is_refused_with_the_reason(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="needs TLS") as refused:
        listening_address(listen)

    assert "127.0.0.1" in str(refused.value.hint)


@pytest.mark.parametrize("listen", ["0.0.0.0:50051", "[::]:50051", "10.1.2.3:0"])
def test_an_address_that_others_reach_is_taken_from_who_insists(listen: str) -> None:
    assert listening_address(listen, anywhere=True) == listen


@pytest.mark.parametrize("listen", ["example.org:50051", "localhost.example.org:1"])
def test_a_name_is_no_address_to_listen_on(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address"):
        listening_address(listen, anywhere=True)


@pytest.mark.parametrize(
    "listen",
    [
        "",
        ":",
        ":50051",
        "50051",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:port",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:٥",
        "127.0.0.1:" + "1" * 5000,
        "::1:50051",
        "[127.0.0.1]:50051",
        "[localhost]:50051",
        "[]:1",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address") as refused:
        listening_address(listen)

    assert "127.0.0.1:50051" in str(refused.value.hint)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.8.7:0", "localhost:0", "[::1]:0"])
def test_an_address_of_this_machine_is_local(listen: str) -> None:
    assert is_local(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:0", "10.0.0.1:0", "[fe80::1]:0"])
def test_an_address_that_others_reach_is_not_local(listen: str) -> None:
    assert not is_local(listen)


@given(st.text(max_size=30) | st.from_regex(r"[\[\]0-9a-f:.]{1,20}:[0-9]{1,6}", fullmatch=True))
def test_any_text_is_taken_or_refused_with_a_typed_error(listen: str) -> None:
    try:
        bound = listening_address(listen)
    except ConfigurationError:
        return
    assert bound.startswith(("127.", "[::1]:", "[::ffff:"))
