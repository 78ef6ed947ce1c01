from __future__ import annotations

from validkit.report.frontpage import headline_sentence
from validkit.report.limits import limits
from validkit.report.notices import notices
from validkit.report.records import read_run


def test_looks_and_overrides_come_first_and_say_what_was_replaced(complete_run):
    found = notices(read_run(complete_run))
    assert found[0].title == "Held-out outcomes were looked at (deep)"
    assert found[1].title == "Deep stage shortened by an override: model.deep.epochs=2"
    assert "model.deep.epochs is 2 instead of 50" in found[1].text
    assert all(n.severity == "warning" for n in found)


def test_an_override_that_does_not_shorten_is_called_a_change(run_folder, edit):
    edit("run.json", lambda r: r.update(overrides=["model.deep.epochs=80", "design.test=0.5"]))
    titles = [n.title for n in notices(read_run(run_folder))]
    assert "Deep stage changed by an override: model.deep.epochs=80" in titles
    assert "Design stage changed by an override: design.test=0.5" in titles


def test_several_overrides_of_a_stage_share_a_notice_and_are_not_repeated(run_folder, edit):
    told = [{"severity": "warning", "stage": "deep", "text": "changed on the command line: model.deep.epochs=2"}]
    overrides = ["model.deep.epochs=2", "model.deep.image_size=32", "cohort.default.patients=60"]
    edit("run.json", lambda r: r.update(overrides=overrides, notices=told, looks=[]))
    titles = [n.title for n in notices(read_run(run_folder))]
    assert titles == [
        "Deep stage shortened by overrides: model.deep.epochs=2, model.deep.image_size=32",
        "Cohort stage changed by an override: cohort.default.patients=60",
    ]


def test_changed_records_and_unfinished_runs_are_warned_about(run_folder, edit):
    edit(
        "run.json",
        lambda r: r.update(status="failed", files={"plan.csv": "0" * 64}, looks=[], overrides=[], notices=[]),
    )
    titles = [n.title for n in notices(read_run(run_folder))]
    assert titles == ["The run is not complete (status: failed)", "Records are missing or were changed after the run"]


def test_limits_name_what_applies(complete_run):
    text = " ".join(limits(read_run(complete_run)))
    for words in ("simulated", "looked at", "Only 40 of 127", "split once", "one site", "One patient was excluded"):
        assert words in text
    assert "resubstituted" not in text
    assert "randomised copies" not in text


def test_limits_leave_out_what_does_not_apply(run_folder, edit):
    def enough(record):
        record["synthetic"] = False
        record["looks"] = []
        record["cohort"].update(held_out={"n": 400, "events": 150}, sites={"a": 200, "b": 200}, excluded=[])

    edit("run.json", enough)
    edit("stages/nomogram.json", lambda r: r.update(fusion_score="resubstituted"))
    edit("stages/reproducibility.json", lambda r: r.update(perturbed=True))
    edit("stages/deep.json", lambda r: r["backbones"][0].update(pretrained=False))
    text = " ".join(limits(read_run(run_folder)))
    for words in ("simulated", "looked at", "Only ", "one site", "excluded"):
        assert words not in text
    for words in ("2 sites", "resubstituted", "randomised copies", "without pretrained weights: densenet121"):
        assert words in text


def test_headline_sentence_reads_the_auc_in_words(complete_run, run_folder, edit):
    words = headline_sentence(read_run(complete_run))
    assert "metastasis" in words
    assert "% of pairs (95 % interval" in words
    nomogram = lambda r: next(m for m in r["models"] if m["name"] == "nomogram")  # noqa: E731
    edit("evaluation.json", lambda r: nomogram(r)["sets"].pop("held-out"))
    assert headline_sentence(read_run(run_folder)) == ""
