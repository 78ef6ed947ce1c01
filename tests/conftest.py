"""Fixtures for the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("validkit", deadline=None)  # a busy machine is no failure of a law
settings.load_profile("validkit")

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="takes minutes; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def _own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into a user's ledger."""
    before = os.environ.get("VALIDKIT_LEDGER")
    os.environ["VALIDKIT_LEDGER"] = str(tmp_path_factory.mktemp("ledger") / "ledger.jsonl")
    yield
    if before is None:
        del os.environ["VALIDKIT_LEDGER"]
    else:
        os.environ["VALIDKIT_LEDGER"] = before


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference values beside the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the real data and reference values (../shared) are not here")
    return folder
