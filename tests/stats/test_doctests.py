"""The examples in the docstrings of the statistics, run as they stand; and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import validkit.stats
from validkit import stats

MODULES = [f"validkit.stats.{info.name}" for info in pkgutil.iter_modules(validkit.stats.__path__)]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in examples(module):
        failed: list[str] = []
        runner.run(test, out=failed.append)
        assert not failed, "".join(failed)


def functions() -> dict[str, object]:
    return {name: f for name in stats.__all__ if inspect.isfunction(f := getattr(stats, name))}


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_public_function_says_what_it_does(name: str) -> None:
    doc = inspect.getdoc(functions()[name]) or ""
    assert len(doc.splitlines()[0]) > 20
    assert ">>>" in doc, "no example"
