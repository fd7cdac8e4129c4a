"""Methods are named as people do it; one that the API has not is refused with the nearest."""

from __future__ import annotations

import pytest

from market_spine.adapters.inbound.cli.methods import PACKAGE, full_name
from market_spine.client.channel import SERVICES
from market_spine.domain.errors import ValidationError


def test_every_method_of_the_api_is_known_by_each_of_its_names() -> None:
    methods = [method for service in SERVICES for method in service.methods]
    assert len(methods) > 20
    for method in methods:
        service = method.containing_service.name
        whole = f"{PACKAGE}{service}/{method.name}"
        names = (method.name, f"{service}/{method.name}", whole, f"/{whole}", f" {method.name} ")
        assert {full_name(name) for name in names} == {whole}


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("SubmitRuns", "did you mean SubmitRun"),
        ("submitrun", "did you mean SubmitRun"),
        ("RunService/CancelRuns", "did you mean RunService/CancelRun"),
        ("BackfillService/SubmitRun", "BackfillService/"),
        ("RunService", "known: "),
        ("xyz", "known: "),
        ("", "known: "),
        ("other.v1.RunService/SubmitRun", "RunService/SubmitRun"),
    ],
)
def test_an_unknown_method_is_refused_with_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(ValidationError) as refused:
        full_name(text)

    assert nearest in str(refused.value.hint)
    assert "is no method of the API" in refused.value.message
