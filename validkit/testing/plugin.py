"""pytest in another team's repository: its predictions file checked against a protocol's acceptance.

With `--validkit-predictions`, or `validkit_predictions` in the ini file, every criterion and every question of
`validkit audit` is a test. The fixtures `validkit_audit` and `validkit_check` do the same inside tests. Every pytest
run loads this module, so it imports nothing heavy, and without its options or fixtures it does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from validkit.errors import InputError, ValidkitError
from validkit.testing.checking import Asked, Check, audited, checks_of
from validkit.testing.options import add_options, asked_of, given, path_of

__all__ = ["Checker", "validkit_audit", "validkit_check"]

BESIDE_TESTS = "validkit_beside_tests"
PREDICTIONS = pytest.StashKey[Path]()
BESIDE = pytest.StashKey[bool]()
RECORDS = pytest.StashKey[dict[Any, dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `validkit audit`, and an ini key of the same name for each."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """The predictions file is collected beside the tests, unless the command names other files than the ini file."""
    file = path_of(config, "predictions")
    if file is None:
        return
    config.stash[PREDICTIONS] = file
    told = getattr(config, "workerinput", {}).get(BESIDE_TESTS, config.args_source is not config.ArgsSource.ARGS)
    config.stash[BESIDE] = bool(config.getoption("validkit_predictions") or told)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist is told every path by its argument; what they came from is told here."""
    node.workerinput[BESIDE_TESTS] = node.config.stash.get(BESIDE, False)


def pytest_report_header(config: pytest.Config) -> str | None:
    """What is checked against what."""
    if not config.stash.get(BESIDE, False):
        return None
    protocol = given(config, "protocol")
    return f"validkit: {config.stash[PREDICTIONS].name}" + (f" against {protocol}" if protocol else "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """A predictions file that is not there is named with the option that names it."""
    stash = session.config.stash
    if stash.get(BESIDE, False) and not stash[PREDICTIONS].is_file():
        named = "--validkit-predictions, or validkit_predictions, names it"
        raise pytest.UsageError(f"{stash[PREDICTIONS]} is no file; {named}")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The predictions file beside what the session collects; pytest 8 loses tests where it is one more argument."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed and _is_beside(collector):
        report.result.append(PredictionsFile.from_parent(collector, path=collector.config.stash[PREDICTIONS]))
    return report


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The predictions file where the command names it, or a folder that holds it."""
    if file_path != parent.config.stash.get(PREDICTIONS, None) or _is_beside(parent.session):
        return None
    return PredictionsFile.from_parent(parent, path=file_path)


def _is_beside(session: pytest.Session) -> bool:
    """Whether there is a predictions file that is collected although the command does not name it."""
    stash = session.config.stash
    return stash.get(BESIDE, False) and not session.isinitpath(stash[PREDICTIONS])


class PredictionsFile(pytest.File):
    """The predictions file: audited when it is collected."""

    def collect(self) -> Iterator[pytest.Collector]:
        """The criteria of the protocol, and the questions of the audit."""
        self.extra_keyword_matches.add("validkit")
        try:
            record = _record(self.config, asked_of(self.config, self.path))
            checks = checks_of(record, given(self.config, "fail_on") or "fail")
        except (ValidkitError, OSError) as error:
            raise self.CollectError(str(error)) from None
        for name in dict.fromkeys(check.group for check in checks):
            yield CheckGroup.from_parent(self, name=name, checks=[check for check in checks if check.group == name])


class CheckGroup(pytest.Collector):
    """The criteria, or the questions."""

    def __init__(self, *, checks: Sequence[Check], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checks = checks

    def collect(self) -> Iterator[pytest.Item]:
        """One test for each."""
        for check in self.checks:
            item = CheckItem.from_parent(self, name=check.name, check=check)
            if check.outcome == "skipped":
                item.add_marker(pytest.mark.skip(reason=check.text))
            yield item


class CheckFailed(AssertionError):
    """A check that failed; its text is all that is shown."""


class CheckItem(pytest.Item):
    """One criterion, or one question."""

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check

    def runtest(self) -> None:
        """Fails with the evidence; where it passes, `pytest -rP` shows it."""
        if self.check.outcome == "failed":
            raise CheckFailed(self.check.text)
        self.add_report_section("call", "validkit", self.check.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The evidence without a traceback."""
        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The predictions file, its first line, and the check's name."""
        return self.path, 0, f"{self.check.group}: {self.name}"


@dataclass(frozen=True)
class Checker:
    """What the fixture `validkit_check` gives: a predictions file audited, and its acceptance asserted."""

    config: pytest.Config = field(repr=False)

    def __call__(
        self,
        predictions: str | Path,
        *,
        protocol: str | Path | None = None,
        outcome: str | None = None,
        model: str | Sequence[str] = (),
        event: str | None = None,
        site: str | None = None,
        subgroup: str | Sequence[str] = (),
        cluster: str | None = None,
        split: str | None = None,
        threshold: float | None = None,
        prevalence: float | None = None,
        reference: str | None = None,
        fail_on: str = "never",
    ) -> dict[str, Any]:
        """The audit's record. Without `protocol`, what is not given is as pytest's options say.

        predictions, protocol : a relative path is looked for in the working folder, then in pytest's root folder
        fail_on : "fail" or "concern" asserts the audit's questions too
        Raises AssertionError with every criterion that is not met, InputError for bad input.
        """
        __tracebackhide__ = True
        words = {"outcome": outcome, "event": event, "site": site, "cluster": cluster, "split": split}
        lists = {"models": _listed(model), "subgroups": _listed(subgroup)}
        settings = {"threshold": threshold, "prevalence": prevalence, "reference": reference}
        try:
            record = _record(self.config, self._asked(predictions, protocol, {**words, **lists, **settings}))
            checks = [one for one in checks_of(record, fail_on) if one.group == "acceptance" or fail_on != "never"]
        except (ValidkitError, OSError) as error:
            raise error.with_traceback(None) from None
        if not checks:
            raise InputError("there is nothing to check: name a protocol that declares [acceptance], or give fail_on")
        failed = [check for check in checks if check.outcome == "failed"]
        if failed:
            judged = sum(check.outcome != "skipped" for check in checks)
            raise AssertionError(_failures(record["source"], failed, judged))
        return record

    def _asked(self, predictions: str | Path, protocol: str | Path | None, words: dict[str, Any]) -> Asked:
        """What this call asks, on top of what the options ask where it names no protocol of its own."""
        file = Path(self._found(predictions))
        base = asked_of(self.config, file) if protocol is None else Asked(file, self._found(protocol))
        return replace(base, **{name: value for name, value in words.items() if value not in (None, ())})

    def _found(self, path: str | Path) -> str:
        """The absolute path, from the working or else the root folder; as it is where neither has such a file."""
        for folder in (Path.cwd(), self.config.rootpath):
            if (folder / path).is_file():
                return os.path.abspath(folder / path)
        return str(path)


@pytest.fixture(scope="session")
def validkit_check(pytestconfig: pytest.Config) -> Checker:
    """Audit a predictions file and assert its acceptance: validkit_check("risks.csv", protocol="acceptance.toml")."""
    return Checker(pytestconfig)


@pytest.fixture(scope="session")
def validkit_audit(pytestconfig: pytest.Config) -> dict[str, Any]:
    """The finished audit of the file that --validkit-predictions names: the record of `validkit audit --json`."""
    if PREDICTIONS not in pytestconfig.stash:
        missing = "validkit_audit needs --validkit-predictions FILE, or validkit_predictions = FILE in the ini file"
        pytest.fail(missing, pytrace=False)
    try:
        return _record(pytestconfig, asked_of(pytestconfig, pytestconfig.stash[PREDICTIONS]))
    except (ValidkitError, OSError) as error:
        return pytest.fail(str(error), pytrace=False)


def _record(config: pytest.Config, asked: Asked) -> dict[str, Any]:
    """The audit that is asked for, made once for the same question of the same files."""
    records = config.stash.setdefault(RECORDS, {})
    files = [asked.predictions, *([Path(asked.protocol)] if asked.protocol else [])]
    key = asked, *((file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file())
    if key not in records:
        records[key] = audited(asked)
    return records[key]


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _failures(source: str, failed: Sequence[Check], total: int) -> str:
    told = [f"{check.name}\n  " + check.text.replace("\n", "\n  ") for check in failed]
    return "\n".join([f"{source}: {len(failed)} of {total} checks failed", *told])
