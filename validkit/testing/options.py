"""The options of `validkit audit` as options and ini keys of pytest: declared, and read back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from validkit.errors import InputError
from validkit.testing.checking import FAIL_ON, Asked

__all__ = ["add_options", "asked_of", "given", "path_of"]

TEXTS = {
    "predictions": ("FILE", "CSV (also .gz) or Parquet, a row a patient: audited, each question and criterion a test."),
    "protocol": ("PROTOCOL", "A protocol of kind predictions, a TOML file or the name of a shipped one."),
    "outcome": ("COLUMN", "Column of the outcome, 0 and 1."),
    "event": ("VALUE", "The outcome's value that is the event, if not 1."),
    "site": ("COLUMN", "Column that names the site."),
    "cluster": ("COLUMN", "Column that names the patient, where several rows are one's."),
    "split": ("COLUMN", "Column that tells training rows from others."),
    "threshold": ("NUMBER", "Declared operating threshold."),
    "prevalence": ("NUMBER", "Share of events that was stated."),
    "reference": ("COLUMN", "Model that others are compared with; the first."),
    "fail_on": ("WHAT", f"What makes a question fail: {', '.join(FAIL_ON)}; fail where left out."),
}
LISTS = {
    "model": "A column of predictions.",
    "subgroup": "Column that names a subgroup.",
}
WORDS = ("outcome", "event", "site", "cluster", "split", "reference")
NUMBERS = ("threshold", "prevalence")


def add_options(parser: pytest.Parser) -> None:
    """`--validkit-NAME`, and `validkit_NAME` in the ini file, for each."""
    group = parser.getgroup("validkit", "predictions made elsewhere, checked with validkit")
    for name, (metavar, text) in TEXTS.items():
        group.addoption(f"--validkit-{name.replace('_', '-')}", metavar=metavar, help=text)
        parser.addini(f"validkit_{name}", text)
    for name, text in LISTS.items():
        group.addoption(f"--validkit-{name}", metavar="COLUMN", action="append", help=f"{text} May be given again.")
        parser.addini(f"validkit_{name}", f"{text} One a line.", type="linelist")


def asked_of(config: pytest.Config, file: Path) -> Asked:
    """What the options ask of this file."""
    words: dict[str, Any] = {name: given(config, name) for name in WORDS}
    words |= {name: _number(name, given(config, name)) for name in NUMBERS}
    words |= {f"{name}s": tuple(given(config, name) or ()) for name in LISTS}
    protocol = path_of(config, "protocol")
    named = str(protocol) if protocol is not None and protocol.is_file() else given(config, "protocol")
    return Asked(file, named, **words)


def given(config: pytest.Config, name: str) -> Any:
    """An option's value, else its ini key's; None where neither is given."""
    return config.getoption(f"validkit_{name}") or config.getini(f"validkit_{name}") or None


def path_of(config: pytest.Config, name: str) -> Path | None:
    """The absolute path that an option gives from the working folder, or an ini key from the ini file's."""
    option, key = config.getoption(f"validkit_{name}"), config.getini(f"validkit_{name}")
    if not option and not key:
        return None
    home = config.rootpath if config.inipath is None else config.inipath.parent
    return Path(os.path.abspath(config.invocation_params.dir / option if option else home / key))


def _number(name: str, text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f"--validkit-{name} is a number; got {text!r}") from None
