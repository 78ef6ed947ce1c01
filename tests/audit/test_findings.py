"""What a finding may hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from validkit.audit import SENTINELS, Finding
from validkit.audit.findings import chosen, finding
from validkit.errors import InputError


def test_the_register() -> None:
    assert set(SENTINELS) == {
        *("duplicates", "near-duplicates", "proxies", "burnt-in", "permuted-outcome", "held-out-invariance"),
        *("no-signal", "before-split", "held-out-choice", "resubstitution"),
    }
    assert all(code == one.code and one.question.endswith("?") for code, one in SENTINELS.items())
    assert chosen(None, "data") == ("duplicates", "near-duplicates", "proxies", "burnt-in")


def test_evidence_becomes_plain() -> None:
    found = finding("proxies", "pass", "nothing", evidence={"a": np.float64("nan"), "b": (np.int8(3), np.array([1.5]))})
    assert found.question == SENTINELS["proxies"].question
    assert found.to_dict()["evidence"] == {"a": None, "b": [3, [1.5]]}
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("leak", "", "pass", "why"), "no sentinel 'leak'"),
        (("proxies", "", "maybe", "why"), "`outcome` must be one of pass, fail, not applicable; got 'maybe'"),
        (("proxies", "", "pass", ""), "sentinel 'proxies': `why` is empty"),
    ],
)
def test_bad_findings_are_refused(values: tuple[str, str, str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Finding(*values)  # type: ignore[arg-type]
