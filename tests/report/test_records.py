from __future__ import annotations

import hashlib

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.report.records import NotAvailable, labels, read_run


def test_models_are_found_by_name_and_family(complete_run):
    run = read_run(complete_run)
    assert [m["name"] for m in run.compared()] == ["radiomics", "deep/densenet121", "fusion", "clinical", "nomogram"]
    assert len(run.candidates("radiomics")) == 8
    assert run.model("deep/alexnet")["label"] == "AlexNet"
    assert (run.positive, run.negative) == ("metastasis", "no metastasis")
    with pytest.raises(NotAvailable, match="holds no model named 'deep/vgg'"):
        run.model("deep/vgg")


def test_a_family_that_all_labels_repeat_is_left_out():
    both = [{"name": "a", "label": "Fusion: SVM"}, {"name": "b", "label": "Fusion: KNN"}]
    assert labels(both) == {"a": "SVM", "b": "KNN"}
    assert labels([*both, {"name": "c", "label": "Nomogram"}])["a"] == "Fusion: SVM"
    assert labels(both[:1]) == {"a": "Fusion: SVM"}


def test_a_missing_key_names_its_file(run_folder, edit):
    edit("stages/fusion.json", lambda record: record.pop("selected"))
    with pytest.raises(NotAvailable, match=r"stages/fusion.json holds no 'selected'"):
        read_run(run_folder).stage("fusion")["selected"]


def test_a_missing_stage_and_evaluation_say_so(run_folder):
    (run_folder / "stages" / "deep.json").unlink()
    (run_folder / "evaluation.json").unlink()
    run = read_run(run_folder)
    with pytest.raises(NotAvailable, match=r"the run folder has no stages/deep.json"):
        run.stage("deep")
    with pytest.raises(NotAvailable, match=r"the run folder has no evaluation.json"):
        run.models()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder: the run folder has no run.json"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"), [("{", "is not valid JSON"), ("[1]", "must hold a JSON object; got list")]
)
def test_broken_json_is_refused(run_folder, content, message):
    (run_folder / "stages" / "deep.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_run(run_folder)


def test_saliency_is_never_unpickled(run_folder):
    path = run_folder / "stages" / "saliency.npz"
    np.savez(path, images=np.array([{"a": 1}], dtype=object), maps=np.zeros((1, 2, 2)), outlines=np.zeros((1, 2, 2)))
    with pytest.raises(NotAvailable, match="cannot be read"):
        read_run(run_folder).saliency()
    path.write_bytes(b"no zip")
    with pytest.raises(NotAvailable, match="cannot be read"):
        read_run(run_folder).saliency()
    np.savez(path, images=np.zeros((1, 2, 2)), maps=np.zeros((2, 2, 2)), outlines=np.zeros((1, 2, 2)))
    with pytest.raises(NotAvailable, match="different shapes"):
        read_run(run_folder).saliency()


def test_integrity_checks_records_and_leaves_drawings_alone(run_folder, edit):
    digest = hashlib.sha256((run_folder / "plan.csv").read_bytes()).hexdigest()
    files = {
        "plan.csv": digest,
        "predictions.parquet": "0" * 64,
        "stages/gone.json": "1" * 64,
        "report.html": "2" * 64,
        "../outside": "3" * 64,
    }
    edit("run.json", lambda record: record.update(files=files))
    sound, wrong = read_run(run_folder).integrity()
    assert sound == ["plan.csv"]
    assert len(wrong) == 2
    assert any("predictions.parquet has SHA-256" in line for line in wrong)
    assert any("stages/gone.json is listed in run.json but is not in the folder" in line for line in wrong)
