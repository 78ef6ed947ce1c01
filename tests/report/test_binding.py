"""How binding a protocol was, as the reader sees it: seals, openings, sentinels and their evidence."""

from __future__ import annotations

import pytest

from validkit.report.frontpage import who
from validkit.report.limits import limits
from validkit.report.notices import notices
from validkit.report.page import Details, Facts, Table
from validkit.report.records import NotAvailable, read_run
from validkit.report.sentinels import NOT_RUN, evidence_blocks, findings, sentinel_blocks, short


def titles(folder):
    return [notice.title for notice in notices(read_run(folder))]


def test_a_sealed_protocol_opened_once_is_a_plain_fact(complete_run):
    facts = dict(who(read_run(complete_run)))
    assert facts["Protocol"].endswith("before these outcomes were first opened.")
    assert facts["Outcomes"] == "Held-out outcomes opened once."
    assert not [t for t in titles(complete_run) if "opened" in t or "sealed" in t]


def test_openings_under_other_protocols_are_warned_of(run_folder, edit):
    opening = {
        "times": 3,
        "protocols": 2,
        "share": 0.62,
        "others": [{"protocol_name": "plnm-quick"}, {"protocol_name": "plnm-quick"}],
        "sentence": "held-out outcomes opened 3 times under 2 protocols",
    }
    edit("run.json", lambda r: r.update(opening=opening))
    found = next(n for n in notices(read_run(run_folder)) if "opened" in n.title)
    assert (found.severity, found.title) == ("warning", "Held-out outcomes opened 3 times under 2 protocols")
    assert "62.0 % of these outcomes were opened by an earlier run." in found.text
    assert "Earlier protocols: plnm-quick." in found.text
    assert "62.0 % of the held-out outcomes had been opened before under 1 other protocol." in " ".join(
        limits(read_run(run_folder))
    )


def test_opening_again_under_the_same_protocol_is_a_plain_fact(run_folder, edit):
    words = "held-out outcomes opened 3 times under 1 protocol"
    edit("run.json", lambda r: r.update(opening={"times": 3, "protocols": 1, "sentence": words}))
    assert dict(who(read_run(run_folder)))["Outcomes"] == "Held-out outcomes opened 3 times under 1 protocol."
    assert not [t for t in titles(run_folder) if "opened" in t]


def test_a_seal_after_the_opening_is_warned_of(run_folder, edit):
    words = "the protocol was sealed on Friday, after these outcomes had been opened"
    edit("run.json", lambda r: r.update(sealed={"state": "sealed after opening", "sentence": words}))
    found = next(n for n in notices(read_run(run_folder)) if "sealed" in n.title)
    assert found.severity == "warning"
    assert found.text == "The protocol was sealed on Friday, after these outcomes had been opened."
    assert "no declaration ahead" in " ".join(limits(read_run(run_folder)))


def test_an_unsealed_protocol_is_a_fact_and_a_limit(run_folder, edit):
    edit("run.json", lambda r: r.update(sealed={"state": "unsealed", "sentence": "the protocol was not sealed"}))
    assert dict(who(read_run(run_folder)))["Protocol"] == "The protocol was not sealed."
    assert "was not sealed" in " ".join(limits(read_run(run_folder)))
    assert not [t for t in titles(run_folder) if "sealed" in t]


# --- sentinels --------------------------------------------------------------------------------------


def test_sentinels_show_question_outcome_evidence_advice_and_method(variants):
    blocks = sentinel_blocks(read_run(variants("sites")))
    table = next(b for b in blocks if isinstance(b, Table))
    assert [[c.text for c in row][::2] for row in table.rows] == [
        ["duplicates", "failed"],
        ["proxies", "passed"],
        ["burnt-in", "not applicable"],
    ]
    assert table.rows[0][3].text == "Images: 3 on both sides of a split"
    details = [b for b in blocks if isinstance(b, Details)]
    assert [d.title for d in details] == ["Evidence of duplicates: failed", "Evidence of proxies: passed"]
    facts = [row for b in details[0].blocks if isinstance(b, Facts) for row in b.rows]
    assert dict(facts)["gain"].replace("\u00a0", " ") == "0.060 [0.020, 0.100] (n = 421, 130 events)"
    assert dict(facts)["Advice"] == "Keep one of each pair."
    assert dict(facts)["Method"] == "SHA-256"
    rows = next(b for b in details[1].blocks if isinstance(b, Table))
    assert (rows.rows[0][1].text, rows.rows[0][1].sub) == ("0.510", "[0.440, 0.580]")
    assert len(rows.rows) == 8
    assert rows.notes[0] == "4 more rows are in run.json."


def test_only_failed_sentinels_are_notices(variants):
    found = [n for n in notices(read_run(variants("sites"))) if n.title.startswith("Sentinel")]
    assert len(found) == 1
    assert found[0].severity == "warning"
    assert found[0].text == "Images: 3 on both sides of a split. Keep one of each pair."


def test_no_sentinel_and_an_older_folder_are_told_apart(run_folder, edit):
    assert sentinel_blocks(read_run(run_folder))[0].text == NOT_RUN
    edit("run.json", lambda r: r.pop("sentinels"))
    with pytest.raises(NotAvailable, match="before there were sentinels"):
        sentinel_blocks(read_run(run_folder))


def test_strange_findings_are_shown_as_they_are(run_folder, edit):
    edit("run.json", lambda r: r.update(sentinels=[{}, {"code": "novel", "outcome": "maybe", "evidence": [1]}, 3]))
    run = read_run(run_folder)
    assert len(findings(run)) == 2
    table = next(b for b in sentinel_blocks(run) if isinstance(b, Table))
    assert [row[2].text for row in table.rows] == ["None", "maybe"]
    assert dict(who(run))["Sentinels"] == "2 with an unknown outcome."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "—"),
        (True, "yes"),
        (1234, "1,234"),
        (0.00012, "1.20×10⁻⁴"),
        ({"value": 0.5, "low": 0.4, "high": 0.6}, "0.500 [0.400, 0.600]"),
        (list(range(12)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ({"a_b": [1, 2]}, "a b 1 and 2"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_evidence_in_a_few_words(value, words):
    assert short(value) == words


def test_an_interval_beside_a_value_is_written_with_it():
    (facts,) = evidence_blocks({"n": 10, "auc": 0.7, "low": 0.6, "high": 0.8})
    assert facts.rows == (("n", "10"), ("auc", "0.700 [0.600, 0.800]"))
