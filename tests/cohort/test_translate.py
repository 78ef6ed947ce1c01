"""A centre's own names, units and codes, read as the protocol's predictors; every change is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from validkit.cohort import Cohort, read_cohort
from validkit.cohort.faults import CohortError
from validkit.sections import CohortSpec

NUMBER: dict[str, Any] = {"kind": "continuous", "unit": "mm"}
ORDINAL: dict[str, Any] = {"kind": "ordinal", "levels": ("2", "3", "4", "5")}


def read(folder: Path, text: str, predictors: dict[str, Any], **more: Any) -> Cohort:
    (folder / "cohort.csv").write_text(text, encoding="utf-8")
    outcome = more.pop("outcome", {"column": "y"})
    spec = {"kind": "table", "patient": "id", "outcome": outcome, "predictors": predictors, **more}
    return read_cohort(folder, CohortSpec.model_validate(spec))


def test_a_column_of_another_name_and_unit_is_converted(tmp_path: Path) -> None:
    pytest.importorskip("pint", reason="needs the transfer extra")
    spec = {"size": NUMBER | {"column": "Durchmesser", "column_unit": "cm"}}
    data = read(tmp_path, "id,y,Durchmesser\na,0,3.2\nb,1,1.25\n", spec)
    assert data.predictors["size"].tolist() == [32.0, 12.5]
    assert list(data.predictors) == ["size"]
    assert data.notes[:2] == (
        "column 'Durchmesser' is read as predictor 'size'",
        "predictor 'size': values in cm are read in mm, each times 10",
    )
    comma = read(tmp_path, "id;y;Durchmesser\na;0;3,2\nb;1;1,25\n", spec)
    assert comma.predictors["size"].tolist() == [32.0, 12.5]


def test_codes_are_read_as_levels_and_counted(tmp_path: Path) -> None:
    codes = {"4a": "4", "4b": "4", "6": "5", "0": ""}
    spec = {"birads": ORDINAL | {"column": "BIRADS", "codes": codes}}
    table = "id,y,BIRADS\na,0,4a\nb,1,4B\nc,1,6.0\nd,0,3\ne,0,0\nf,1,2\n"
    data = read(tmp_path, table, spec, missing="exclude")
    assert data.predictors["birads"].to_dict() == {"a": 2.0, "b": 2.0, "c": 3.0, "d": 1.0, "f": 0.0}
    assert data.excluded == (("e", "no value in birads"),)
    [told] = [text for text in data.notes if "cells are read" in text]
    assert told == (
        "predictor 'birads': cells are read '0' as no value (1 patients); '4B' as '4' (1 patients); "
        "'4a' as '4' (1 patients); '6.0' as '5' (1 patients)"
    )


def test_a_code_that_nobody_declared_is_a_fault_in_the_files_own_words(tmp_path: Path) -> None:
    spec = {"birads": ORDINAL | {"column": "BIRADS", "codes": {"4a": "4"}}}
    with pytest.raises(CohortError) as raised:
        read(tmp_path, "id,y,BIRADS\na,0,4a\nb,1,4c\n", spec)
    [fault] = raised.value.faults
    assert (fault.code, fault.row, fault.patient, fault.column) == ("level-undeclared", 3, "b", "BIRADS")
    with pytest.raises(CohortError, match=r"did you mean 'BIRADS'"):
        read(tmp_path, "id,y,BIRADS\na,0,2\nb,1,3\n", {"birads": ORDINAL | {"column": "birads_"}})


def test_outcomes_in_words(tmp_path: Path) -> None:
    outcome = {"column": "diagnosis", "codes": {"malignant": 1, "benign": 0, "normal": 0}}
    table = "id,diagnosis,size\na,benign,1\nb,Malignant,2\nc,normal,3\n"
    data = read(tmp_path, table, {"size": NUMBER}, outcome=outcome)
    assert data.outcome.tolist() == [0, 1, 0]
    with pytest.raises(CohortError, match=r"'unsure \(not among outcome.codes\)'"):
        read(tmp_path, table.replace("normal", "unsure"), {"size": NUMBER}, outcome=outcome)
    with pytest.raises(CohortError, match=r"'1 \(not among outcome.codes\)'"):
        read(tmp_path, table.replace("normal", "1"), {"size": NUMBER}, outcome=outcome)
    left = read(tmp_path, table.replace("normal", "NA"), {"size": NUMBER}, outcome=outcome, missing="exclude")
    assert left.excluded == (("c", "no value in diagnosis"),)


def test_a_predictor_that_is_absent_is_filled_in_or_refused(tmp_path: Path) -> None:
    spec = {"size": NUMBER, "scc": NUMBER | {"absent": True}}
    data = read(tmp_path, "id,y,size\na,0,1\nb,1,2\n", spec, missing="impute")
    assert data.predictors["scc"].isna().all()
    assert "predictor 'scc' is absent here: every value of it is filled in" in data.notes
    with pytest.raises(ValueError, match="`absent`: every patient lacks it"):
        read(tmp_path, "id,y,size\na,0,1\nb,1,2\n", spec)


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        (NUMBER | {"codes": {"x": "1"}}, "a continuous predictor has no `codes`"),
        (ORDINAL | {"codes": {"4a": "7"}}, "`codes` turns '4a' into '7', which is none of 2, 3, 4, 5"),
        (ORDINAL | {"codes": {"4": "5"}}, "`codes` turns '4', a value itself, into '5'"),
        (ORDINAL | {"column_unit": "mm"}, "`column_unit` is converted to `unit`"),
        ({"kind": "continuous", "column_unit": "mm"}, "`column_unit` is converted to `unit`"),
        (NUMBER | {"absent": True, "column": "x"}, "a predictor that is `absent` has neither"),
    ],
)
def test_what_cannot_be_read_is_refused_when_it_is_declared(predictor: dict[str, Any], message: str) -> None:
    spec = {"kind": "table", "outcome": {"column": "y"}, "predictors": {"x": predictor}, "missing": "impute"}
    with pytest.raises(ValueError, match=r".") as raised:
        CohortSpec.model_validate(spec)
    assert message in str(raised.value)


def test_two_predictors_may_swap_their_names(tmp_path: Path) -> None:
    spec = {"a": {"kind": "continuous", "column": "b"}, "b": {"kind": "continuous", "column": "a"}}
    data = read(tmp_path, "id,y,a,b\np,0,1,2\nq,1,3,4\n", spec)
    expected = pd.DataFrame({"a": [2.0, 4.0], "b": [1.0, 3.0]}, index=pd.Index(["p", "q"], name="patient"))
    pd.testing.assert_frame_equal(data.predictors, expected, check_index_type=False, check_names=False)
    with pytest.raises(ValueError, match="column 'a' has two roles"):
        read(tmp_path, "id,y,a,b\np,0,1,2\n", {"a": {"kind": "continuous"}, "b": {"kind": "continuous", "column": "a"}})
