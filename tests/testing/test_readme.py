"""The README's example of the test kit, run as it is printed: right ones pass, wrong ones are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from validkit.testing import LawViolation

README = Path(__file__).resolve().parents[2] / "README.md"


def _statements() -> list[str]:
    section = README.read_text(encoding="utf-8").split("## Testing your own metric")[1]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block
    return [part for part in re.split(r"\n(?=check_|def )", block.group(1)) if part.strip()]


def test_the_example_does_what_its_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDKIT_TESTING_EXAMPLES", "20")
    names: dict[str, object] = {}
    passed, caught = 0, []
    for statement in _statements():
        said = statement.rsplit("#", 1)[-1] if statement.startswith("check_") else ""
        if "LawViolation" not in said:
            exec(statement, names)
            passed += statement.startswith("check_")
            continue
        with pytest.raises(LawViolation) as violation:
            exec(statement, names)
        caught.append(str(violation.value))
    assert passed == 3
    assert "reversed ranks of 1 events among 2 give 1, not 0" in caught[0]
    assert "outcomes shuffled 20 times, held-out AUC 0.9" in caught[1]
