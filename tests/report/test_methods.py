"""The methods text: every citation in references.bib, every number of the records, deviations told, names harmless."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from markdown_it import MarkdownIt

from validkit.report.html import _environment
from validkit.report.methods import bibtex, methods, methods_blocks, methods_markdown, references_bibtex, write_methods
from validkit.report.methods.papers import PAPERS
from validkit.report.methods.references import REFERENCES, line
from validkit.report.records import read_run

NAMES = ["plnm", "sites", "folds", "resamples", "given", "nested"]
HEADINGS = [
    "Patients",
    "Predictors and outcome",
    "Missing data",
    "Model",
    "Validation design",
    "Performance measures",
    "Software and reproducibility",
    "Deviations",
]
CITED = re.compile(r"\[((?:@?[A-Za-z]+(?:\d{4})?)(?:; @?[A-Za-z]+\d{4})*)\]")
HOSTILE = "<script>alert(1)</script> {x} \\input{y} }{ $a$ *b* `c` [DeLong1988] [@Cox1958] @misc{z, | \u202e\x07"


def parse_bibtex(source: str) -> dict[str, dict[str, str]]:
    """The entries of a .bib file: braces balanced, a key once, each field once in its braces."""
    entries: dict[str, dict[str, str]] = {}
    end = 0
    while (start := source.find("@", end)) >= 0:
        assert not source[end:start].strip()
        head = re.compile(r"@(\w+)\{([^,{}\s]+),").match(source, start)
        assert head, source[start : start + 60]
        end = closing(source, source.index("{", start)) + 1
        fields = {}
        at = head.end()
        while found := re.compile(r"\s*(\w+) = (?=\{)").match(source, at):
            stop = closing(source, found.end())
            assert found[1] not in fields
            fields[found[1]] = source[found.end() + 1 : stop]
            assert source[stop + 1] == ","
            at = stop + 2
        assert source[at:end].strip() == "}"
        assert head[2] not in entries
        entries[head[2]] = fields
    assert not source[end:].strip()
    return entries


def closing(source: str, at: int) -> int:
    """Where the brace that opens at `at` closes."""
    depth = 0
    for i in range(at, len(source)):
        depth += {"{": 1, "}": -1}.get(source[i], 0)
        if not depth:
            return i
    raise AssertionError("a brace stays open")


@pytest.fixture
def folder_of(complete_run, variants):
    return lambda name: complete_run if name == "plnm" else variants(name)


@pytest.fixture
def texts_of(folder_of):
    return lambda name: paragraphs(folder_of(name))


@pytest.fixture
def changed(tmp_path):
    return lambda folder: shutil.copytree(folder, tmp_path / folder.name)


def paragraphs(folder) -> dict[str, str]:
    return {p.heading: p.text for p in methods(read_run(folder)).paragraphs}


def edit_json(path, change) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def keys_in(words: str) -> set[str]:
    return {key.removeprefix("@") for group in CITED.findall(words) for key in group.split("; ")}


# --- text and references ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_keys_cited_are_the_keys_of_the_bibliography(folder_of, name):
    run = read_run(folder_of(name))
    found = methods(run)
    entries = parse_bibtex(references_bibtex(run))
    assert keys_in(" ".join(p.text for p in found.paragraphs)) == set(entries) == set(found.keys)
    assert {key.removeprefix("@") for key in re.findall(r"(?<!\\)@\w+", methods_markdown(run))} == set(entries)
    assert [p.heading for p in found.paragraphs] == HEADINGS


@pytest.mark.parametrize("name", NAMES)
def test_nothing_undefined_or_empty_is_said(texts_of, name):
    for words in texts_of(name).values():
        assert not re.search(r"\bNone\b|\bnan\b|\(\s*\)|\[\s*\]|“\s*”|—", words), words
        assert not re.search(r"  | [,;)]| \.(?!632)|\.\.|,,|;\.|\( ", words), words
        assert words.endswith((".", "]"))
        assert words.count("(") == words.count(")")


def test_every_reference_can_be_read_and_none_is_unused():
    entries = parse_bibtex(bibtex(REFERENCES, {"numpy": "2.4.0"}))
    assert set(entries) == set(REFERENCES)
    assert all({"author", "title", "year"} <= set(fields) for key, fields in entries.items() if key != "validkit")
    assert all(re.fullmatch(r"10\.\d{4,5}/\S+", fields["doi"]) for fields in entries.values() if "doi" in fields)
    assert len({e.doi for e in REFERENCES.values() if e.doi}) == sum(bool(e.doi) for e in REFERENCES.values())
    assert entries["Harris2020"]["note"] == "Version 2.4.0"
    assert all(key.endswith(entries[key]["year"]) for key in PAPERS)


def test_a_reference_in_a_line():
    assert line("Youden1950", {}) == "Youden WJ. Index for rating diagnostic tests. Cancer 1950; 3(1): 32–35."
    assert line("vanKlaveren2016", {}).startswith("van Klaveren D, Gönen M, Steyerberg EW, Vergouwe Y. A new")
    assert line("Pedregosa2011", {"scikit-learn": "1.9.1"}).endswith("2011; 12: 2825–2830. Version 1.9.1.")
    assert line("Snell2018", {}).count("?") == 1
    assert "?." not in line("Snell2018", {})


# --- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_sizes_seeds_and_level_are_those_of_the_records(folder_of, texts_of, name):
    folder, told = folder_of(name), texts_of(name)
    info, evaluation = (json.loads((folder / f).read_text()) for f in ("run.json", "evaluation.json"))
    cohort = info["cohort"]
    assert re.search(
        rf"comprised {cohort['patients']} (simulated )?patients, of whom {cohort['events']} ", told["Patients"]
    )
    judged = cohort if name == "resamples" else cohort["held_out"]
    n = judged.get("n", judged.get("patients"))
    assert f"{n} patients ({judged['events']} events)" in told["Validation design"]
    assert f"{100 * evaluation['level']:g}% confidence intervals" in told["Performance measures"]
    assert f"from seed {info['seeds']['split']}" in told["Software and reproducibility"]
    assert (f"from seed {info['seeds']['torch']}" in told["Software and reproducibility"]) == (
        name in ("plnm", "nested")
    )
    assert f"validkit {info['validkit']} [validkit] under Python 3.11.9" in told["Software and reproducibility"]
    assert info["protocol"]["digest"][:12] in told["Software and reproducibility"]


def test_intervals_thresholds_and_replicates_are_those_of_the_records(texts_of):
    told = texts_of("plnm")["Performance measures"]
    for words in (
        "intervals by DeLong's method [DeLong1988; Sun2014]",
        "calibration slope [Cox1958] (interval: profile likelihood)",
        "Brier score [Brier1950] (interval: the BCa bootstrap with 2,000 replicates [Efron1987])",
        "Clopper and Pearson's exact method [Clopper1934]",
        "at an operating threshold of 0.27 (Youden's J on training patients) [Youden1950]",
        "Thresholds of 10%, 20%, 30% and 50% were examined",
        "compared with that of each of 4 other models",
        "adjusted for the 4 comparisons by Holm's method [Holm1979]",
    ):
        assert words in told, words


@pytest.mark.parametrize(
    ("name", "wanted", "absent"),
    [
        ("plnm", ["held out once", "fitted on training patients alone, but for choices"], ["at random", "seed"]),
        ("sites", ["each of 4 sites was left out in turn", "Knapp2003", "at least 5 patients"], ["bootstrap"]),
        (
            "folds",
            ["5-fold cross-validation, stratified by outcome (seed 42), of 421", "in 6 repeats", "averaged"],
            ["nested"],
        ),
        ("resamples", ["in 40 resamples drawn", ".632+", "Two resamples gave no result"], ["held out", "split"]),
        ("given", ["not known from the predictions"], ["fitted", "split"]),
        ("nested", ["nested cross-validation", "each of the 5 training sets"], ["took no part"]),
    ],
)
def test_each_design_is_told_as_it_was(texts_of, name, wanted, absent):
    told = texts_of(name)["Validation design"]
    assert all(words in told for words in wanted), told
    assert not [words for words in absent if words in told], told


def test_cross_validation_is_told_without_repeats(variants, changed):
    folder = changed(variants("folds"))
    edit_json(folder / "run.json", lambda r: r["design"].update(kind="kfold"))
    edit_json(folder / "protocol.resolved.json", lambda r: r["protocol"]["design"].update(kind="kfold", repeats=1))
    told = paragraphs(folder)["Validation design"]
    assert "by 5-fold cross-validation, stratified by outcome (seed 42), of 421 patients" in told
    assert "repeats with" not in told


BUNDLE = {
    "digest": "d1" * 32,
    "protocol": {"name": "home"},
    "training": {"n": 300, "events": 91},
    "needs": ["age"],
    "lineage": [{"method": "in the large", "n": 120}],
    "checks": [{"action": "predicted by extrapolation", "finding": "case001 lies outside"}],
}
CENTRE = {
    "bundle": BUNDLE,
    "harmonisation": {"features": [{"name": "x"}, {"name": "z"}], "covariates": ["age"], "shrunk": True},
    "transfer": {"models": {"risk": {"concordance": {}, "auc": {}}}},
    "updating": {"judged": [{"method": "none"}, {"method": "closed test"}], "folds": 5, "repeats": 20},
}


def test_a_locked_model_at_a_new_centre_is_told_without_its_patients(variants, changed):
    folder = changed(variants("given"))
    edit_json(folder / "run.json", lambda r: r["design"].update(kind="external"))
    edit_json(folder / "protocol.resolved.json", lambda r: r["protocol"]["model"].update(kind="bundle"))
    for name, record in CENTRE.items():
        (folder / "stages" / f"{name}.json").write_text(json.dumps(record))
    told = paragraphs(folder)
    for words in (
        "a locked one of the run “home” (bundle digest d1d1d1d1d1d1)",
        "developed on 300 patients, 91 with the event",
        "updated: in the large on 120 patients",
        "Two inputs were harmonised with those of development by ComBat [Johnson2007], with empirical Bayes",
    ):
        assert words in told["Model"], words
    for words in (
        "applied to 421 patients (103 events)",
        "1 finding was made (action taken: predicted by extrapolation)",
        "the closed test [Vergouwe2017], were judged by cross-fitting (5 parts, 20 times)",
    ):
        assert words in told["Validation design"], words
    assert "case001" not in methods_markdown(read_run(folder))
    assert keys_in(" ".join(told.values())) == set(parse_bibtex(references_bibtex(read_run(folder))))


def test_weights_from_imagenet_are_told_by_the_label_of_their_file(edit, run_folder):
    assert "initialised with weights from ImageNet [Deng2009]" in paragraphs(run_folder)["Model"]

    def relabel(record, label):
        for row in record["backbones"]:
            row["weights"] = label

    edit("stages/deep.json", lambda r: relabel(r, "imagenet (net.pth, sha256 ab)"))
    assert "weights from ImageNet" in paragraphs(run_folder)["Model"]
    edit("stages/deep.json", lambda r: relabel(r, "own.pth"))
    assert "initialised with weights from files" in paragraphs(run_folder)["Model"]


def test_imputation_is_told_with_its_copies_and_rules(texts_of):
    told = texts_of("sites")["Missing data"]
    assert "One of 2 predictors had missing values (numbers of 920 patients: Major vessels, 306)" in told
    assert "Ten completed copies were made after 10 rounds" in told
    assert "Rubin's rules [Rubin1987; Barnard1999]" in told


def test_a_random_split_is_told_with_its_share_and_seed(edit, run_folder):
    design = {"kind": "holdout", "by": "random", "test": 0.3, "stratify": "outcome"}
    edit("protocol.resolved.json", lambda r: r["protocol"].update(design=design))
    told = paragraphs(run_folder)["Validation design"]
    assert "held out once at random, stratified by outcome (seed 42)" in told
    assert "had been declared as 30%" in told


def test_what_only_authors_know_is_left_to_them_but_not_of_simulated_patients(texts_of):
    real, simulated = (" ".join(texts_of(name).values()) for name in ("sites", "plnm"))
    for words in ("[authors: ethics approval and consent]", "[authors: how and when the outcome was assessed"):
        assert words in real
        assert words not in simulated


# --- deviations ------------------------------------------------------------------------------------------------


def deviations(folder) -> str:
    return paragraphs(folder)["Deviations"]


def clean(record) -> None:
    record.update(overrides=[], looks=[], sentinels=[], status="complete")
    record["fits"] = {"planned": 8, "made": 8, "units": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"opening": {"times": 3, "protocols": 2, "share": 0.5}},
            "Held-out outcomes had been opened 3 times under 2 protocols; 50% of them by an earlier run",
        ),
        ({"sealed": {"state": "unsealed"}}, "The protocol was not sealed"),
        ({"sealed": {"state": "sealed after opening"}}, "sealed only after these outcomes had been opened"),
        ({"looks": [{"stage": "deep"}, {"stage": "fusion"}]}, "used for choices during development (stages deep and"),
        ({"overrides": ["model.deep.epochs=2", "model.file=x"]}, "One setting of the protocol file was changed"),
        ({"fits": {"planned": 9, "made": 8}}, "The plan foresaw 9 fits, and 8 were made"),
        ({"status": "begun"}, "The run was not complete (status: begun)"),
        (
            {"sentinels": [{"code": "a", "outcome": "fail", "question": "Is it?"}, {"code": "b", "outcome": "pass"}]},
            "One of 2 leakage sentinels failed: “a” (Is it?)",
        ),
    ],
)
def test_a_deviation_is_told_where_the_record_shows_it_and_only_there(edit, run_folder, change, words):
    edit("run.json", clean)
    assert words not in deviations(run_folder)
    edit("run.json", lambda r: r.update(change))
    assert words in deviations(run_folder)


def test_leaks_and_missing_criteria_are_told_and_a_clean_run_says_so(edit, run_folder):
    edit("run.json", clean)
    assert deviations(run_folder).startswith("No acceptance criteria had been declared")
    edit("protocol.resolved.json", lambda r: r["protocol"]["model"].update(before_split=["selection"]))
    run = paragraphs(run_folder)
    assert "As the protocol declares, selection was learnt from all patients before the split" in run["Deviations"]
    assert "but for selection, learnt from all patients before the split" in run["Validation design"]
    edit("protocol.resolved.json", lambda r: r["protocol"]["model"].update(before_split=[]))
    criterion = {"quantity": "AUC", "rule": "at least 0.75", "outcome": "met"}
    edit("evaluation.json", lambda r: r.update(acceptance={"criteria": [criterion], "overall": "met"}))
    run = paragraphs(run_folder)
    assert run["Deviations"] == "The records of the run show no deviation from its protocol."
    assert "declared 1 acceptance criterion: AUC at least 0.75." in run["Performance measures"]


# --- what records may hold -------------------------------------------------------------------------------------


@pytest.fixture
def hostile(variants, tmp_path):
    """A run whose every name is hostile."""
    folder = tmp_path / "hostile"
    shutil.copytree(variants("sites"), folder)

    def people(record):
        record["cohort"] |= {"name": HOSTILE, "description": HOSTILE, "sites": {HOSTILE: 4, f"b{HOSTILE}": 5}}
        record["cohort"]["excluded"] = [{"patient": "PX-1", "reason": HOSTILE}]
        record["protocol"]["name"] = HOSTILE
        record["versions"] |= {"scikit-learn": HOSTILE, "scipy": "1.0}} \\x", "python": HOSTILE}
        record["overrides"] = [f"model.x={HOSTILE}"]
        record["looks"] = [{"stage": HOSTILE}]
        record["outcome"]["positive"] = HOSTILE

    def settings(record):
        record["protocol"]["cohort"]["predictors"] = {"ca": {"label": HOSTILE, "kind": "continuous", "unit": HOSTILE}}
        record["protocol"]["cohort"]["outcome"] = {"column": HOSTILE, "positive": HOSTILE, "negative": HOSTILE}

    def models(record):
        for model in record["models"]:
            model["label"] = HOSTILE

    edit_json(folder / "run.json", people)
    edit_json(folder / "protocol.resolved.json", settings)
    edit_json(folder / "evaluation.json", models)
    edit_json(folder / "stages/estimators.json", models)
    return folder


def test_hostile_names_are_harmless_everywhere(hostile):
    run = read_run(hostile)
    found = methods(run)
    assert "[DeLong1988] [@" not in " ".join(p.text for p in found.paragraphs)
    entries = parse_bibtex(references_bibtex(run))
    assert set(entries) == set(found.keys)
    assert not [v for fields in entries.values() for v in fields.values() if "script" in v or "\\x" in v]

    markdown = methods_markdown(run)
    page = MarkdownIt("commonmark").render(markdown.partition("# Methods")[2])
    assert not re.search(r"<(?!/?(?:p|h2)>)", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {x} \\input{y} }{ $a$ *b* `c`" in page
    assert set(re.findall(r"(?<!\\)@(\w+)", markdown)) == set(entries)
    assert "\u202e" not in markdown
    assert "\x07" not in markdown

    template = _environment().from_string(
        "{% import 'blocks.html.j2' as b %}{% for x in s %}{{ b.block(x, {}) }}{% endfor %}"
    )
    html = template.render(s=methods_blocks(run))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_run_with_hardly_a_record_tells_little_and_fails_nowhere(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    found = methods(read_run(tmp_path))
    words = " ".join(p.text for p in found.paragraphs)
    assert "None" not in words
    assert methods_blocks(read_run(tmp_path))
    parse_bibtex(references_bibtex(read_run(tmp_path)))


@pytest.mark.parametrize(
    "lost", ["evaluation.json", "protocol.resolved.json", "stages/cohort.json", "stages/deep.json"]
)
def test_a_lost_record_leaves_its_sentences_out(run_folder, lost):
    (run_folder / lost).unlink()
    assert len(methods(read_run(run_folder)).paragraphs) >= 6


# --- files and page --------------------------------------------------------------------------------------------


def test_files_and_chapter_are_those_of_the_text(complete_run, tmp_path):
    run = read_run(complete_run)
    write_methods(run, tmp_path)
    assert (tmp_path / "methods" / "methods.md").read_text(encoding="utf-8") == methods_markdown(run)
    assert (tmp_path / "methods" / "references.bib").read_text(encoding="utf-8") == references_bibtex(run)
    blocks = methods_blocks(run)
    assert blocks[0].text == "Copy: methods/methods.md, methods/references.bib."
    table = blocks[-1].blocks[0]
    assert [row[0].text for row in table.rows] == [str(i) for i in range(1, len(methods(run).keys) + 1)]
    used = {int(n) for b in blocks[1:-1] for group in re.findall(r"\[([\d, ]+)\]", b.text) for n in group.split(", ")}
    assert used == set(range(1, len(table.rows) + 1))
