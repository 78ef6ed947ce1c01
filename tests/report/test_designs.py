"""The report of every design and every model: its chapters, numbers, words, figures and CSV tables."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import shutil

import pytest

from validkit.report import render_report, summary
from validkit.report.by_split import split_performance
from validkit.report.design import FEW, choice_blocks, design_blocks, kept_blocks, split_blocks
from validkit.report.figures.catalogue import plates
from validkit.report.fits import kept_counts
from validkit.report.frontpage import headline, headline_sentence, who
from validkit.report.limits import limits
from validkit.report.optimism import optimism_blocks
from validkit.report.page import Details, Facts, Missing, Table
from validkit.report.records import NotAvailable, read_run
from validkit.report.sections import sections
from validkit.report.subject import subject, subject_title
from validkit.report.values import estimate

DRAWN = ("sites", "folds", "resamples", "given")


def tables_of(blocks):
    found = []
    for block in blocks:
        found += [block] if isinstance(block, Table) else tables_of(block.blocks) if isinstance(block, Details) else []
    return found


def words_of(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    body = re.sub(r"<script[^>]*>.*?</script>", " ", page[page.index("<body>") :], flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("\u00a0", " "))


def rows_of(folder, name):
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def chapters(folder):
    run = read_run(folder)
    return [s.title for s in sections(run, {plate.name: plate for plate in plates(run)})]


# --- which model, on whom ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("sites", "Logistic regression: held-out patients"),
        ("folds", "Logistic regression: held-out patients"),
        ("resamples", "Logistic regression: corrected for optimism"),
        ("given", "The model: patients as given"),
        ("nested", "Nomogram: held-out patients"),
    ],
)
def test_the_first_page_is_about_the_reference_on_the_primary_set(variants, name, title):
    run = read_run(variants(name))
    found = subject(run)
    assert subject_title(run) == title
    assert found.model["name"] == run.setting("evaluation.compare.reference")
    card = headline(run)[0]
    assert card.value == f"{found.scores['auc']['value']:.3f}"
    assert card.tag == {"resamples": "corrected for optimism", "given": "as given"}.get(name, "held-out")
    assert "nomogram" in headline_sentence(run) if name == "nested" else found.label in headline_sentence(run)


def test_another_reference_moves_every_number(variants, tmp_path):
    folder = tmp_path / "sites"
    shutil.copytree(variants("sites"), folder)
    path = folder / "protocol.resolved.json"
    record = json.loads(path.read_text())
    record["protocol"]["evaluation"]["compare"]["reference"] = "boosting"
    path.write_text(json.dumps(record))
    run = read_run(folder)
    assert subject_title(run) == "Gradient boosting: held-out patients"
    assert headline(run)[0].value == f"{run.model('boosting')['sets']['held-out']['auc']['value']:.3f}"
    assert {p.name: p.title for p in plates(run)}["13-calibration"] == "Calibration of “Gradient boosting”"
    record["protocol"]["evaluation"]["compare"]["reference"] = "gone"
    path.write_text(json.dumps(record))
    with pytest.raises(NotAvailable, match="holds no model 'gone', the protocol's reference"):
        subject(read_run(folder))
    assert "holds no model" in words_of(render_report(folder).parent)


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("sites", ["Estimators", "Performance by site"], ["Fusion", "Radiomic features", "Optimism"]),
        ("folds", ["Estimators", "Performance by split"], ["Fusion", "Performance by site"]),
        ("resamples", ["Estimators", "Optimism"], ["Performance by split", "Performance by site"]),
        ("given", ["Performance of all models"], ["Estimators", "Fusion", "Performance by split"]),
        ("nested", ["Fusion", "Deep transfer learning", "Performance by split"], ["Estimators", "Optimism"]),
    ],
)
def test_chapters_follow_the_model_and_the_design(variants, name, there, absent):
    found = chapters(variants(name))
    always = ["Acceptance", "Design", "Patients", "Sentinels", "Limits", "Provenance"]
    assert set(there + always) <= set(found)
    assert not set(absent) & set(found)


# --- the whole page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWN)
def test_the_page_misses_nothing_and_says_nomogram_nowhere(drawn_variants, name):
    words = words_of(drawn_variants(name))
    missing = re.findall(r"ot available because ([^.]*)", words)
    assert missing == (
        ["figures at declared thresholds are not corrected for optimism; see every measure instead"]
        if name == "resamples"
        else []
    )
    assert "nomogram" not in words.lower()
    assert "paper" not in words.lower()
    assert "Sentinel failed (duplicates)" in words
    assert "1 passed, 1 failed, 1 not applicable" in words


@pytest.mark.parametrize("name", [*DRAWN, "nested"])
def test_every_figure_of_the_design_can_be_built(variants, name):
    found = {plate.name: plate for plate in plates(read_run(variants(name)))}
    assert all(plate.panels for plate in found.values())
    assert ("15-by-split" in found) == (name in ("sites", "folds", "nested"))
    assert ("16-optimism" in found) == (name == "resamples")
    assert ("00-kept-features" in found) == (name == "nested")
    if name == "resamples":
        assert "not corrected for optimism" in found["12-roc-models"].caption


def test_the_terminal_says_design_seal_openings_and_sentinels(variants):
    from rich.console import Console

    console = Console(width=130, record=True, color_system=None, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(summary(variants("resamples")))
    words = console.export_text().replace("\u00a0", " ")
    console.file.close()
    for line in (
        "Logistic regression: corrected for optimism (n = 421, 103 events)",
        "design: the whole model was fitted again in 40 bootstrap resamples of 421 patients",
        "before these outcomes were first opened; held-out outcomes opened once",
        "sentinels: 1 passed, 1 failed, 1 not applicable",
        "AUC of the others: Gradient boosting",
        "! Sentinel failed (duplicates)",
    ):
        assert line in words, line
    assert len(words.strip().splitlines()) <= 16


# --- the design -------------------------------------------------------------------------------------


def test_few_splits_are_listed_and_many_are_summed_up(variants):
    (few,) = tables_of(split_blocks(read_run(variants("sites"))))
    assert [row[0].text for row in few.rows] == ["north", "south", "east", "west", "All patients"]
    assert "Columns kept" not in [c.text for c in few.columns]
    blocks = split_blocks(read_run(variants("folds")))
    total, every = tables_of(blocks)
    assert [row[0].text for row in total.rows][:2] == ["Patients fitted to", "of these distinct"]
    assert len(every.rows) == 31 > FEW
    assert every.rows[6][0].text == "Repeat 2, fold 2"
    resampled = tables_of(split_blocks(read_run(variants("resamples"))))[1]
    assert resampled.rows[0][1].sub == "266 distinct"


def test_fits_planned_and_made_are_told_and_a_difference_is_noticed(variants):
    blocks = design_blocks(read_run(variants("nested")))
    facts = dict(next(b for b in blocks if isinstance(b, Facts)).rows)
    assert facts["Single fits inside"] == "3,000 planned, 2,990 made"
    assert any(getattr(b, "title", "") == "Fits made differ from those planned" for b in blocks)
    facts = dict(next(b for b in design_blocks(read_run(variants("folds"))) if isinstance(b, Facts)).rows)
    assert (facts["Folds"], facts["Repeats"], facts["Whole-model fits"]) == ("5", "6", "31")
    assert "averaged for each patient" in facts["Several predictions"]


def test_choices_are_counted_over_the_splits_without_the_final_fit(variants):
    (found,) = choice_blocks(read_run(variants("nested")))
    rows = [[cell.text for cell in row] for row in found.rows]
    assert rows[0] == ["Deep", "resnet50", "3 of 5", "no"]
    assert rows[1] == ["densenet121", "2 of 5", "yes"]
    (found,) = choice_blocks(read_run(variants("folds")))
    assert [c.text for c in found.rows[0]][:3] == ["Logistic regression", "C = 0.1", "20 of 30"]


def test_kept_columns_are_counted_most_frequent_first(variants):
    run = read_run(variants("nested"))
    counts = list(kept_counts(run).values())
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (5, 1)
    (details,) = kept_blocks(run)
    assert details.blocks[0].rows[0][2].text == "100 %"


def test_looks_in_many_splits_are_one_notice(variants):
    from validkit.report.notices import notices

    titles = [n.title for n in notices(read_run(variants("nested")))]
    assert "Held-out outcomes were looked at (deep), 5 times in 5 splits" in titles


# --- parts of the design ------------------------------------------------------------------------------


def test_sites_have_their_mean_and_the_range_at_a_new_one(variants):
    run = read_run(variants("sites"))
    table = split_performance(run)[0]
    assert [row[0].text for row in table.rows][-2:] == ["Mean of 4 sites", "Range at a new site"]
    pooled = run.model("lr")["pooled"]["auc"]
    mean, new = estimate(pooled["estimate"]), estimate(pooled["prediction"])
    assert table.rows[-2][2].text == f"{mean.value:.3f}"
    assert table.rows[-1][2].text == f"{new.low:.3f} to {new.high:.3f}"
    north = run.model("lr")["by_split"][0]
    assert (table.rows[0][1].text, table.rows[0][1].sub) == ("303", "139 events")
    assert table.rows[0][2].sub == f"[{north['auc']['low']:.3f}, {north['auc']['high']:.3f}]"
    assert f"Mean of 4 sites: {mean.value:.3f}" in headline(run)[0].sites
    assert any(isinstance(b, Details) and b.title == "Gradient boosting by site" for b in split_performance(run))


def test_many_splits_show_their_spread_and_what_is_undefined(variants):
    spread = split_performance(read_run(variants("folds")))[0]
    slope = next(row for row in spread.rows if row[0].text == "Calibration slope")
    assert slope[-1].text == "1"
    assert "no confidence interval" in spread.notes[0]


def test_a_model_without_parts_says_so(variants, tmp_path):
    folder = tmp_path / "sites"
    shutil.copytree(variants("sites"), folder)
    path = folder / "evaluation.json"
    record = json.loads(path.read_text())
    for model in record["models"]:
        del model["by_split"], model["pooled"]
    path.write_text(json.dumps(record))
    run = read_run(folder)
    with pytest.raises(NotAvailable, match="no performance by split was recorded"):
        split_performance(run)
    assert {p.name: p.reason for p in plates(run)}["15-by-split"].endswith("no performance by split was recorded")
    assert headline(run)[0].sites == ""


def test_optimism_shows_every_estimate_and_the_failures(variants):
    blocks = optimism_blocks(read_run(variants("resamples")))
    notice = next(b for b in blocks if b.kind == "notice")
    assert notice.title.startswith("2 of 40 resamples failed")
    main = next(t for t in tables_of(blocks) if t.title.startswith("Optimism: Logistic"))
    assert [c.text for c in main.columns][1:] == ["Apparent", "Optimism", "Corrected", "Out of bag", ".632", ".632+"]
    auc = main.rows[0]
    assert [c.text for c in auc] == ["AUC (c statistic)", "0.890", "0.010", "0.880", "0.870", "0.877", "0.876"]
    assert main.rows[1][-1].text == "—"
    assert "not known" in dict(main.footnotes).values()


def test_a_corrected_set_explains_what_it_cannot_hold(variants):
    run = read_run(variants("resamples"))
    chapter = next(s for s in sections(run, {p.name: p for p in plates(run)}) if s.anchor == "performance")
    compared = next(t for t in tables_of(chapter.blocks) if t.title == "Models compared")
    row = next(row for row in compared.rows if any(c.text == "Corrected for optimism" for c in row))
    assert row[1].text == f"{421}"
    reasons = set(dict(compared.footnotes).values())
    assert {"each resample chose its own threshold", "a test is not corrected for optimism"} <= reasons


# --- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        (
            "sites",
            ["few and not drawn at random", "2 of 4 sites have fewer"],
            ["transport to a new site", "split once"],
        ),
        ("folds", ["not the one model that is fitted to all", "transport to a new site"], ["split once"]),
        ("resamples", ["corrected for the optimism of fitting", "moved by the optimism"], ["split once"]),
        ("given", ["made elsewhere", "as they are"], ["flattered by the fit", "split once", "transport"]),
        ("nested", ["not the one model", "looked at before"], ["split once"]),
    ],
)
def test_limits_say_what_the_design_does_not_show(variants, name, there, absent):
    words = " ".join(limits(read_run(variants(name))))
    for each in there:
        assert each in words, each
    for each in absent:
        assert each not in words, each


def test_who_was_held_out_is_said_as_the_design_did_it(variants):
    assert "in turn" in dict(who(read_run(variants("sites"))))["Held-out"]
    assert "no patient for good" in dict(who(read_run(variants("resamples"))))["Held-out"]
    assert "nothing was fitted" in dict(who(read_run(variants("given"))))["Judged"]
    assert "Training" not in dict(who(read_run(variants("given"))))


# --- tables -----------------------------------------------------------------------------------------


def test_csv_tables_hold_unrounded_numbers(drawn_variants):
    sites = drawn_variants("sites")
    north = next(r for r in rows_of(sites, "by-split") if (r["model"], r["site"]) == ("lr", "north"))
    record = read_run(sites).model("lr")["by_split"][0]
    assert float(north["auc"]) == record["auc"]["value"]
    assert float(north["oe_high"]) == record["oe"]["high"]
    assert (north["n"], north["events"], north["auc_method"]) == ("303", "139", "DeLong")
    pooled = next(r for r in rows_of(sites, "pooled-sites") if (r["model"], r["measure"]) == ("lr", "auc"))
    assert float(pooled["new_site_low"]) == read_run(sites).model("lr")["pooled"]["auc"]["prediction"]["low"]
    assert [r["missing"] for r in rows_of(sites, "missing") if r["predictor"] == "ca"] == ["101", "98", "41", "66"]
    assert rows_of(sites, "coefficients")[0] == {"model": "lr", "column": "age", "coefficient": "0.1453"}
    assert {r["code"]: r["outcome"] for r in rows_of(sites, "sentinels")}["duplicates"] == "fail"
    fits = rows_of(drawn_variants("folds"), "splits")
    assert len(fits) == 31
    assert fits[0]["chosen"] == '{"lr": "C = 1.0"}'
    auc = next(r for r in rows_of(drawn_variants("resamples"), "optimism") if r["measure"] == "auc")
    assert (auc["apparent"], auc["optimism"], auc["point632_plus"], auc["resamples"]) == ("0.89", "0.01", "0.876", "40")


# --- older folders, hostile records ------------------------------------------------------------------


def test_a_folder_written_before_designs_is_drawn_and_says_what_it_lacks(run_folder, edit):
    new = ("design", "fits", "sealed", "opening", "acceptance", "sentinels")
    edit("run.json", lambda r: [r.pop(key) for key in new])
    edit("run.json", lambda r: [look.pop("split") for look in r["looks"]])
    edit("evaluation.json", lambda r: [r.pop(key) for key in ("primary", "design", "acceptance")])
    (run_folder / "stages" / "splits.json").unlink()
    run = read_run(run_folder)
    assert subject_title(run) == "Nomogram: held-out patients"
    facts = dict(who(run))
    assert facts["Protocol"] == "Not recorded whether it was sealed."
    assert facts["Outcomes"] == "Not recorded."
    found = {s.anchor: s for s in sections(run, {p.name: p for p in plates(run)})}
    missing = [b.reason for s in ("design", "sentinels") for b in found[s].blocks if isinstance(b, Missing)]
    assert any("no stages/splits.json" in reason for reason in missing)
    assert any("before there were sentinels" in reason for reason in missing)
    assert "split once at random" in " ".join(limits(run))


NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y> \u202e {{7*7}} =1+1"


def test_hostile_names_of_sites_models_and_findings_are_harmless(variants, tmp_path):
    folder = tmp_path / "sites"
    shutil.copytree(variants("sites"), folder)

    def edit(name, change):
        path = folder / name
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))

    def rename(record):
        for model in record["models"]:
            model["label"] = NASTY
            for row in model["by_split"]:
                row["site"] = row["split"] = NASTY
                row["auc"]["method"] = NASTY

    edit("evaluation.json", rename)
    edit("stages/splits.json", lambda r: [s.update(site=NASTY, chosen={NASTY: NASTY}) for s in r["splits"]])
    edit("stages/estimators.json", lambda r: [m.update(label=NASTY, notes=[NASTY]) for m in r["models"]])
    edit("run.json", lambda r: r["design"].update(sentence=NASTY))
    edit("run.json", lambda r: r["sealed"].update(sentence=NASTY, state="sealed after opening"))
    edit("run.json", lambda r: r["opening"].update(protocols=2, sentence=NASTY, others=[{"protocol_name": NASTY}]))
    edit("run.json", lambda r: [s.update(why=NASTY, evidence={NASTY: [{NASTY: NASTY}]}) for s in r["sentinels"]])
    edit("stages/cohort.json", lambda r: [row.update(site=NASTY, predictor=NASTY) for row in r["missing"]])
    page = render_report(folder).read_text(encoding="utf-8")
    tags: list[tuple[str, dict[str, str | None]]] = []
    reader = html.parser.HTMLParser()
    reader.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    reader.feed(page)
    assert {attrs.get("type") for tag, attrs in tags if tag == "script"} <= {None, "application/json"}
    assert page.count("<script>") == 2
    assert not [attrs for _, attrs in tags if any(name.startswith("on") for name in attrs)]
    assert all(str(attrs["src"]).startswith("data:") for tag, attrs in tags if tag == "img")
    assert "\u202e" not in page
    assert "{{7*7}}" in page
    assert "'=1+1" not in page
    assert "=1+1" in (folder / "tables" / "missing.csv").read_text()
