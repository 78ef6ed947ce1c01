"""`validkit sample-size`: what the statistics say, as an answer and as JSON under its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands import command
from validkit import schemas, stats

ASKED: list[tuple[tuple[str, ...], int, float]] = [
    (
        ("development", "--parameters", "24", "--prevalence", "0.174", "--r2", "0.288"),
        stats.development_sample_size(24, prevalence=0.174, cox_snell_r2=0.288).n,
        115.188,
    ),
    (
        ("development", "--parameters", "6", "--prevalence", "0.25", "--auc", "0.75", "--shrinkage", "0.95"),
        stats.development_sample_size(6, prevalence=0.25, c_statistic=0.75, shrinkage=0.95).n,
        0.25 * stats.development_sample_size(6, prevalence=0.25, c_statistic=0.75, shrinkage=0.95).n,
    ),
    (
        ("validation", "--prevalence", "0.25", "--auc", "0.75", "--threshold", "0.2"),
        stats.validation_sample_size(
            prevalence=0.25,
            c_statistic=0.75,
            predictor=stats.LinearPredictor.binormal(0.75, 0.25),
            threshold=0.2,
        ).n,
        780.75,
    ),
    (
        ("comparison", "--auc", "0.8", "--other", "0.75", "--prevalence", "0.25", "--correlation", "0.5"),
        800,
        200,
    ),
]


@pytest.mark.parametrize(("asked", "n", "events"), ASKED, ids=[" ".join(one[0][:3]) for one in ASKED])
def test_the_command_says_what_the_statistics_say(
    capsys: pytest.CaptureFixture[str], asked: tuple[str, ...], n: int, events: float
) -> None:
    assert command("sample-size", *asked, "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["schema"] == schemas.urn("sample-size")
    assert (told["study"], told["n"]) == (asked[0], n)
    assert told["events"] == pytest.approx(events)
    assert all(one["n"] <= n for one in told["criteria"])
    assert command("sample-size", *asked) == 0
    assert f"{n:,} patients" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("development", "--parameters", "5", "--prevalence", "0.2"), "either --auc or --r2"),
        (("development", "--parameters", "5", "--prevalence", "0.2", "--auc", "0.7", "--r2", "0.1"), "either --auc"),
        (("validation", "--prevalence", "1.2", "--auc", "0.7"), "`prevalence` must lie strictly between 0 and 1"),
        (("validation", "--prevalence", "0.2", "--auc", "0.4"), "must lie strictly between"),
        (("comparison", "--auc", "0.7", "--other", "0.7", "--prevalence", "0.2"), "no difference to detect"),
        (("comparison", "--auc", "0.7", "--other", "0.6", "--prevalence", "0"), "--prevalence must lie between"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    capsys: pytest.CaptureFixture[str], asked: tuple[str, ...], words: str
) -> None:
    assert command("sample-size", *asked) == 2
    assert words in " ".join(capsys.readouterr().err.split())
