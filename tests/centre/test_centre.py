"""A new centre maps its own names, units and codes; what would be unsafe stops, all of it at once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from tests.centre.conftest import MAP
from tests.commands import command
from tests.test_bundle import Home
from validkit.bundle import Locked
from validkit.centre import centre_protocol, draft_map, home_map, read_map
from validkit.centre.checking import Check, check_centre, refuse_unsafe
from validkit.centre.units import likely_factor
from validkit.centre.updating import METHODS
from validkit.cohort import Cohort, read_cohort
from validkit.errors import InputError
from validkit.protocol import Protocol, parse_protocol


def declared(bundle: Path, locked: Locked, text: str, folder: Path) -> Protocol:
    (folder / "map.toml").write_text(text, encoding="utf-8")
    return parse_protocol(centre_protocol(bundle, locked, read_map(folder / "map.toml", locked)))


# --- the map ---------------------------------------------------------------------------------------


def test_a_mapped_cohort_is_the_plain_one(bundle: Path, locked: Locked, away: Path, tmp_path: Path) -> None:
    protocol = declared(bundle, locked, MAP, tmp_path)
    found = read_cohort(away, protocol.cohort)
    plain = parse_protocol(centre_protocol(bundle, locked, home_map(locked)))
    expected = read_cohort(away.parent / "plain", plain.cohort)
    assert found.outcome.tolist() == expected.outcome.tolist()
    assert found.predictors["histology"].tolist() == expected.predictors["histology"].tolist()
    for name in ("age", "rbc", "scc"):
        assert found.predictors[name].tolist() == expected.predictors[name].tolist()
    difference = found.predictors["max_diameter"].to_numpy() - expected.predictors["max_diameter"].to_numpy()
    assert abs(difference).max() <= 0.0501
    assert any("each times 10" in text for text in found.notes)
    assert any("'SCC' as 'squamous'" in text for text in found.notes)


def test_the_protocol_names_the_model_and_the_map_is_in_its_digest(
    bundle: Path, locked: Locked, tmp_path: Path
) -> None:
    protocol = declared(bundle, locked, MAP, tmp_path)
    assert protocol.to_dict()["model"]["sha256"] == locked.digest
    assert locked.manifest.protocol.name in protocol.protocol.question
    assert protocol.evaluation.compare.reference == "lr"
    other = declared(bundle, locked, MAP.replace('unit = "cm"', 'unit = "mm"'), tmp_path)
    assert other.digest() != protocol.digest()
    assert other.cohort.predictors["max_diameter"].column_unit == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[predictors.age]",
            "[predictors.agee]",
            r"predictors.agee: the model has no such predictor; did you mean 'age'",
        ),
        ('patient = "CaseNo"', 'patients = "CaseNo"', r"patients: unknown key; did you mean 'patient'"),
        ("outcome = {", "outcom = {", r"outcome: required"),
        (', none = ["none"]', "", r"`event` and `none` belong together"),
        ('unit = "cm"', "unit = 10", r"predictors.max_diameter.unit"),
        ('unit = "cm"', 'unit = "cm', r"not valid TOML"),
    ],
)
def test_a_map_that_is_wrong_says_where(locked: Locked, tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MAP
    (tmp_path / "map.toml").write_text(MAP.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_map(tmp_path / "map.toml", locked)
    with pytest.raises(InputError, match=r"gone.toml cannot be read"):
        read_map(tmp_path / "gone.toml", locked)


# --- the draft -------------------------------------------------------------------------------------


def test_a_draft_finds_the_columns_and_asks_for_what_it_cannot_know(locked: Locked, away: Path, tmp_path: Path) -> None:
    draft = draft_map(locked, away)
    found = tomllib.loads(draft.text)
    assert found["patient"] == "CaseNo"
    assert found["outcome"] == {"column": "nodes", "event": ["metastasis"], "none": ["none"]}
    columns = {name: one.get("column") for name, one in found["predictors"].items()}
    assert columns == {
        "age": "AGE",
        "histology": "hist",
        "max_diameter": "Tumour max diameter",
        "rbc": "RBC",
        "scc": "SCC-Ag",
    }
    assert "unit" not in found["predictors"]["max_diameter"], "a unit that looks wrong is asked for"
    assert "times 10 it would be as at home" in draft.text
    asked = "\n".join(draft.open)
    assert "predictors.max_diameter.unit" in asked
    assert "predictors.histology.codes" in asked
    assert "which cells of 'nodes' mean 'metastasis'" in asked
    assert "Columns without a role: 'ward'" in draft.text
    (tmp_path / "map.toml").write_text(draft.text, encoding="utf-8")
    read_map(tmp_path / "map.toml", locked)


def test_a_draft_of_a_home_like_table_needs_no_change(bundle: Path, locked: Locked, away: Path, tmp_path: Path) -> None:
    plain = away.parent / "plain"
    protocol = declared(bundle, locked, draft_map(locked, plain).text, tmp_path)
    assert len(read_cohort(plain, protocol.cohort)) == 120


def test_hostile_names_stay_inside_their_comment(locked: Locked, tmp_path: Path) -> None:
    header = '"Case\nNo","ag""e","y\\",plnm\n'
    rows = "".join(f'"a{k}","4\n[model]\nfile=""x""",{k},{k % 2}\n' for k in range(8))
    (tmp_path / "cohort.csv").write_text(header + rows, encoding="utf-8")
    found = tomllib.loads(draft_map(locked, tmp_path).text)
    assert set(found) <= {"patient", "outcome", "predictors", "site", "date", "device", "model"} - {"model"}


# --- the checks ------------------------------------------------------------------------------------


def read_as(table: pd.DataFrame, folder: Path, protocol: Protocol) -> Cohort:
    folder.mkdir()
    table.to_csv(folder / "cohort.csv", index=False)
    return read_cohort(folder, protocol.cohort)


def test_centimetres_for_millimetres_stop_unless_accepted(
    bundle: Path, locked: Locked, away: Path, tmp_path: Path
) -> None:
    wrong = declared(bundle, locked, MAP.replace('unit = "cm"\n', ""), tmp_path)
    data = read_cohort(away, wrong.cohort)
    checks = check_centre(locked, data, wrong.cohort)
    with pytest.raises(InputError) as raised:
        refuse_unsafe(checks, ())
    text = str(raised.value)
    assert "unit:max_diameter: column 'Tumour max diameter' does not look like mm: its median is" in text
    assert "times 10 it would; say what it is measured in" in text
    assert "accept = ['unit:max_diameter']" in text
    taken = refuse_unsafe(checks, ["unit:max_diameter"])
    assert "accepted by this centre" in str(next(one for one in taken if one.code == "unit:max_diameter"))
    right = declared(bundle, locked, MAP, tmp_path)
    assert not [one for one in check_centre(locked, read_cohort(away, right.cohort), right.cohort) if one.unsafe]
    with pytest.raises(InputError, match=r"model.accept names 'unit:agee', which is no finding here"):
        refuse_unsafe(checks, ["unit:agee"])


def test_ranges_levels_and_gaps_are_listed_with_what_is_done(
    bundle: Path, locked: Locked, away: Path, tmp_path: Path
) -> None:
    plain = parse_protocol(centre_protocol(bundle, locked, home_map(locked)))
    table = pd.read_csv(away.parent / "plain" / "cohort.csv")
    table["age"] = table["age"].astype(float)
    table.loc[0, "age"] = 99.0
    table.loc[1:6, "rbc"] = None
    found = {one.code: one for one in check_centre(locked, read_as(table, tmp_path / "c", plain), plain.cohort)}
    assert "patients lie outside" in found["range:age"].finding
    assert found["range:age"].action == "predicted by extrapolation"
    assert "6 of 120 patients have no value (5% here, " in found["missing:rbc"].finding
    assert "filled in as at home" in found["missing:rbc"].action
    assert not any(one.unsafe for one in found.values())


def test_several_unsafe_findings_are_told_at_once() -> None:
    checks = [Check(f"unit:{name}", "looks odd", "say", unsafe=True) for name in "abc"]
    with pytest.raises(InputError, match=r"(?s)unit:a.*unit:c.*accept = \['unit:a', 'unit:c'\]"):
        refuse_unsafe(checks, ["unit:b"])


@pytest.mark.parametrize(
    ("values", "factor"),
    [
        ([1.2, 2.5, 3.1, 4.0, 5.5], 10.0),
        ([120, 250, 310, 400, 550], 0.1),
        ([0.012, 0.025, 0.031, 0.04, 0.055], 1000.0),
        ([12, 25, 31, 40, 55], None),
        ([1.2, 2.5], None),
        ([1e9, 1e9, 1e9, 2e9, 3e9], None),
    ],
)
def test_a_factor_is_seen_where_the_median_lies_outside(values: list[float], factor: float | None) -> None:
    import numpy as np

    assert likely_factor(np.array(values, dtype=float), (10.0, 60.0)) == factor


# --- the command -----------------------------------------------------------------------------------


def test_a_centre_drafts_maps_and_validates(
    bundle: Path, away: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("external", bundle, "--cohort", away, "--draft-map") == 0
    assert "to be answered: `predictors.max_diameter.unit`" in capsys.readouterr().out
    assert command("external", bundle, "--cohort", away, "--draft-map") == 2
    assert "map.toml is there already" in capsys.readouterr().err
    assert command("external", bundle, "--cohort", away, "--map", "map.toml") == 2
    (tmp_path / "mine.toml").write_text(MAP, encoding="utf-8")
    small = ("--set", "evaluation.bootstrap.replicates=0", "--engine", "sequential")
    capsys.readouterr()
    assert command("external", bundle, "--cohort", away, "--map", "mine.toml", *small, "--json") == 0
    evaluation = json.loads(capsys.readouterr().out)["evaluation"]
    assert {model["name"] for model in evaluation["models"]} == {"lr", "boosting", "xgboost"}
    record = json.loads((tmp_path / "runs/external/stages/bundle.json").read_text())
    assert record["reference"] == 3
    notes = json.loads((tmp_path / "runs/external/run.json").read_text())["notices"]
    assert any("each times 10" in note["text"] for note in notes)
    transfer = json.loads((tmp_path / "runs/external/stages/transfer.json").read_text())
    assert set(transfer["models"]) == {"lr", "boosting", "xgboost"}
    updating = json.loads((tmp_path / "runs/external/stages/updating.json").read_text())
    assert [one["method"] for one in updating["judged"]] == list(METHODS)
    page = (tmp_path / "runs/external/report.html").read_text()
    for said in ("Transfer to this centre", "and what makes the difference", "what updating would do here"):
        assert said in page
    rows = pd.read_csv(tmp_path / "runs/external/tables/transfer.csv")
    assert set(rows["model"]) == {"lr", "boosting", "xgboost"}


def test_an_unsafe_centre_gets_no_prediction(
    bundle: Path, away: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map.toml").write_text(MAP.replace('unit = "cm"\n', ""), encoding="utf-8")
    out = tmp_path / "run"
    parts = ("external", bundle, "--cohort", away, "--map", tmp_path / "map.toml", "--out", out)
    assert command(*parts, "--engine", "sequential") == 2
    assert "nothing is predicted" in capsys.readouterr().err
    assert not (out / "predictions.parquet").exists()


def test_bundles_are_shown_and_verified(
    home: Home, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    pytest.importorskip("cryptography", reason="needs the transfer extra")
    copy = tmp_path / "b.zip"
    shutil.copy(bundle, copy)
    assert command("bundle", "show", copy) == 0
    said = capsys.readouterr().out
    assert "holds no row of a training patient" in said
    assert "max_diameter" in said
    assert command("bundle", "show", copy, "--json") == 0
    digest = json.loads(capsys.readouterr().out)["sha256"]
    assert command("bundle", "verify", copy, "--sha256", digest) == 0
    assert "3 reference cases: predictions differ by at most 0 from those at home" in capsys.readouterr().out
    assert command("bundle", "verify", copy, "--sha256", "0" * 64) == 2
    assert "it is another file; do not use it" in capsys.readouterr().err
    assert command("bundle", "key", tmp_path / "k.pem") == 0
    assert command("bundle", "sign", copy, "--key", tmp_path / "k.pem") == 0
    assert command("bundle", "verify", copy, "--key", tmp_path / "k.pem.pub", "--json") == 0
    capsys.readouterr()
    assert command("bundle", "verify", copy, "--signature", tmp_path / "x") == 2
    assert "--signature needs --key" in capsys.readouterr().err
