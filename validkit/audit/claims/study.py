"""A published study's own numbers as a TOML document: strict, each number as it is printed.

Numbers are written as text ("0.70", "24.4"), so that their digits tell how they were rounded.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from validkit.errors import InputError
from validkit.sections import Section
from validkit.sections.base import tuples
from validkit.wording import nearest

__all__ = ["Claims", "decimals", "number", "read_claims", "template"]

Count = Annotated[int, Field(ge=0)]
Printed = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")]
"""a number as it is printed"""
Words = Annotated[str, Field(min_length=1)]
REPORTED = {
    "calibration slope": "how extreme the risks are cannot be told",
    "calibration in the large": "whether as many events happen as predicted cannot be told",
    "interval of sensitivity and specificity": "how certain they are cannot be told",
    "interval of the decision curve": "whether the net benefits differ by more than chance cannot be told",
    "external validation": "nothing shows that the model holds at another centre",
    "code": "nobody can apply, check or repeat the model",
    "data": "nobody can repeat the analysis",
    "missing data": "how patients with missing values were handled is unknown",
    "sample size": "whether the study was large enough was not asked before it",
    "operating threshold": "sensitivity and specificity belong to a threshold that is not told",
}
"""what a report of a prediction model should hold (TRIPOD+AI, Collins et al., BMJ 385 (2024) e078378), and why"""


class Study(Section):
    """The study. reference : how it is cited; model : what its conclusion rests on, named in [[auc]]"""

    title: Words
    reference: str = ""
    model: str = ""


class Sample(Section):
    """Patients that figures are of. percent, percent_others : printed shares with and without the event"""

    name: Words
    n: Annotated[int, Field(ge=1)]
    events: Count
    others: Count | None = None
    percent: Printed | None = None
    percent_others: Printed | None = None
    role: Literal["training", "test", "all"] = "test"

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Sample:
        if self.events > self.n:
            raise ValueError(f"`events` is {self.events} of n = {self.n}")
        return self


class Share(Section):
    """`part` of `whole`, printed as `percent`; exact : whether the percentage is told as measured, not as planned"""

    what: Words
    part: Count
    whole: Annotated[int, Field(ge=1)]
    percent: Printed
    exact: bool = True


class Parts(Section):
    """A total and the parts that it is said to have."""

    what: Words
    total: Count
    parts: dict[str, Count]


class Value(Section):
    """One quantity as it is told in one place; told otherwise in another, the two contradict each other.

    effect : what hangs on it
    """

    quantity: Words
    printed: Words
    where: Words
    effect: str = ""


class Auc(Section):
    """An AUC on a sample, with its interval where one is printed."""

    model: Words
    sample: Words
    value: Printed
    low: Printed | None = None
    high: Printed | None = None
    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95

    @model_validator(mode="after")
    def _both_ends(self) -> Auc:
        if (self.low is None) != (self.high is None):
            raise ValueError("`low` and `high` belong together; give both or neither")
        return self


class Proportion(Section):
    """A share of a sample's patients with the event, without it, or of all, in percent."""

    what: Words
    sample: Words
    of: Literal["all", "events", "others"]
    percent: Printed
    count: Count | None = None


class OddsRatio(Section):
    """An odds ratio with its interval, and p where it is printed ("<0.001" is one)."""

    predictor: Words
    value: Printed
    low: Printed
    high: Printed
    p: str | None = None
    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95


class Difference(Section):
    """What is said of two AUCs on one sample. printed, unit : its size, "points" (of 100) or "percent" (of the second)

    claim : "better" where one is said to be, in whatever words
    """

    better: Words
    worse: Words
    sample: Words
    printed: Printed | None = None
    unit: Literal["points", "percent"] = "percent"
    claim: Literal["better", "none"] = "better"
    tested: bool = False


class HosmerLemeshow(Section):
    """p of the test on a sample; said : what was concluded from it"""

    sample: Words
    p: Printed
    said: str = ""


class Predictor(Section):
    """A predictor told to differ or not between outcomes in one place, and to be independent in another."""

    name: Words
    alone: Literal["differs", "does not differ"]
    where: Words
    independent: bool


class Development(Section):
    """candidates : predictors and features among which was chosen; kept : how many the model has; sample : learnt on"""

    sample: Words
    candidates: Annotated[int, Field(ge=1)]
    kept: Annotated[int, Field(ge=1)] | None = None


class Choice(Section):
    """Something chosen among several by looking at figures of a sample."""

    what: Words
    among: Annotated[int, Field(ge=2)]
    by: Words
    sample: Words


class Claims(Section):
    """A study. reported : items of `REPORTED` that the report holds (true) or does not (false)"""

    study: Study
    sample: tuple[Sample, ...]
    share: tuple[Share, ...] = ()
    parts: tuple[Parts, ...] = ()
    value: tuple[Value, ...] = ()
    auc: tuple[Auc, ...] = ()
    proportion: tuple[Proportion, ...] = ()
    odds_ratio: tuple[OddsRatio, ...] = ()
    difference: tuple[Difference, ...] = ()
    hosmer_lemeshow: tuple[HosmerLemeshow, ...] = ()
    predictor: tuple[Predictor, ...] = ()
    development: Development | None = None
    choice: tuple[Choice, ...] = ()
    reported: dict[str, bool] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, *(name for name in cls.model_fields))

    @model_validator(mode="after")
    def _names_agree(self) -> Claims:
        faults = []
        names = [one.name for one in self.sample]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults += [f"two samples are called {name!r}" for name in twice]
        used = [(f"[[{kind}]]", one.sample) for kind in _OF_SAMPLES for one in getattr(self, kind)]
        used += [("[development]", self.development.sample)] if self.development else []
        faults += [
            f"{place} names the sample {name!r}, which is not there{nearest(name, names)}"
            for place, name in used
            if name not in names
        ]
        areas = {(one.model, one.sample) for one in self.auc}
        for one in self.difference:
            for model in (one.better, one.worse):
                if (model, one.sample) not in areas:
                    known = sorted({name for name, _ in areas})
                    faults.append(f"[[difference]] needs the AUC of {model!r} on {one.sample!r}{nearest(model, known)}")
        for item in self.reported:
            if item not in REPORTED:
                faults.append(f"[reported] has no item {item!r}{nearest(item, list(REPORTED))}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def of(self, name: str) -> Sample:
        """A sample by its name."""
        return next(one for one in self.sample if one.name == name)

    def area(self, model: str, sample: str) -> Auc:
        """An AUC by its model and sample."""
        return next(one for one in self.auc if (one.model, one.sample) == (model, sample))


_OF_SAMPLES = ("auc", "proportion", "difference", "hosmer_lemeshow", "choice")


def number(printed: str) -> float:
    """The number that is printed."""
    return float(printed)


def decimals(printed: str) -> int:
    """Digits after the point."""
    return len(printed.partition(".")[2])


def read_claims(path: str | Path) -> Claims:
    """A study's claims from a file, or a shipped one by its name; InputError with every fault and its place."""
    file = _file(path)
    try:
        return Claims.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise InputError(f"{file}: not valid TOML: it is nested too deeply") from error
    except ValidationError as error:
        raise InputError(f"{file}: {_faults(error)}") from error


def _file(path: str | Path) -> Path:
    file = Path(path)
    if file.is_file():
        return file
    shipped = _shipped()
    if str(path) in shipped:
        return shipped[str(path)]
    raise InputError(f"there is no {path}; shipped are {', '.join(sorted(shipped)) or 'none'}, --template writes one")


def _shipped() -> dict[str, Path]:
    from validkit.protocol import shipped_protocols

    folders = {file.parent / "claims" for file in shipped_protocols().values()}
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def _faults(error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        place = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in detail["loc"]).lstrip(".")
        said = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "string_type":
            said = 'write the number as text, in quotes, as it is printed ("0.70")'
        elif detail["type"] == "string_pattern_mismatch":
            said = f'{detail["input"]!r} is no number as it is printed, such as "0.70"'
        elif detail["type"] == "extra_forbidden":
            said = f"unknown key{nearest(str(detail['loc'][-1]), _keys(detail['loc']))}"
        lines.append(f"{place}: {said}" if place else said)
    return "\n  - ".join(["", *lines]) if len(lines) > 1 else lines[0]


def _keys(steps: Sequence[int | str]) -> list[str]:
    """The keys that are known where an unknown one stands."""
    table: type[Section] = Claims
    for step in steps[:-1]:
        if isinstance(step, str):
            table = _TABLES.get(step, table)
    return list(table.model_fields)


_TABLES: dict[str, type[Section]] = {
    "study": Study, "sample": Sample, "share": Share, "parts": Parts, "value": Value, "auc": Auc,
    "proportion": Proportion, "odds_ratio": OddsRatio, "difference": Difference, "hosmer_lemeshow": HosmerLemeshow,
    "predictor": Predictor, "development": Development, "choice": Choice,
}  # fmt: skip


def template() -> str:
    """An empty claims file with every table explained, ready to be filled in."""
    reported = "\n".join(f'"{item}" = false' for item in REPORTED)
    return re.sub(r"\n{3,}", "\n\n", TEMPLATE.replace("REPORTED", reported))


TEMPLATE = """# What a paper reports, in its own numbers: validkit claims THIS_FILE
# Numbers stand in quotes, as they are printed: "0.70" was rounded to two digits, "0.7" to one. Remove what is not told.

[study]
title     = "The paper's title"
reference = "Authors, journal, year, doi"
model     = "nomogram"                       # the model that its conclusion rests on

[[sample]]                                   # patients that figures are of; repeat
name    = "training"
role    = "training"                         # training, test or all
n       = 200
events  = 60
percent = "30.0"

[[sample]]
name    = "test"
role    = "test"
n       = 100
events  = 30
percent = "30.0"

[[share]]                                    # a count, a total and a printed percentage
what    = "test patients of all"
part    = 100
whole   = 300
percent = "33"

[[parts]]                                    # a total and what it is said to consist of
what  = "features"
total = 100
parts = { shape = 40, texture = 60 }

[[value]]                                    # one quantity, told in one place; repeat for every place
quantity = "features kept"
printed  = "9"
where    = "Methods"

[[auc]]                                      # repeat for every model and sample
model  = "nomogram"
sample = "test"
value  = "0.800"
low    = "0.709"
high   = "0.891"

[[auc]]
model  = "clinical"
sample = "test"
value  = "0.750"

[[proportion]]                               # sensitivity: of = "events"; specificity: of = "others"
what    = "sensitivity of the nomogram"
sample  = "test"
of      = "events"
percent = "70.0"

[[odds_ratio]]
predictor = "age"
value     = "1.50"
low       = "1.10"
high      = "2.05"
p         = "0.011"

[[difference]]                               # one model said to be better than another
better  = "nomogram"
worse   = "clinical"
sample  = "test"
printed = "5.0"
unit    = "points"                           # points of 100, or percent of the worse

[[hosmer_lemeshow]]
sample = "test"
p      = "0.350"

[[predictor]]
name        = "age"
alone       = "differs"                      # between patients with and without the event, or: does not differ
where       = "Table 1"
independent = true

[development]
sample     = "training"
candidates = 100                             # features and predictors among which was chosen
kept       = 9

[[choice]]
what   = "classifier"
among  = 8
by     = "AUC"
sample = "test"

[reported]                                   # what the report holds
REPORTED
"""
