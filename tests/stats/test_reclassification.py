from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.overall import discrimination_slope
from validkit.stats.reclassification import IDI_CAUTION, NRI_CAUTION, idi, nri

quick = settings(deadline=None, max_examples=40)
Y = [1, 1, 1, 1, 0, 0, 0, 0, 0]
OLD = [0.4, 0.6, 0.5, 0.3, 0.4, 0.3, 0.5, 0.6, 0.2]
NEW = [0.6, 0.7, 0.5, 0.2, 0.2, 0.35, 0.4, 0.6, 0.1]
Z = 1.959963984540054


def test_continuous_nri_by_hand() -> None:
    """Events: 2 of 4 up, 1 down; non-events: 1 of 5 up, 3 down."""
    ours = nri(Y, OLD, NEW)
    assert (ours.up_events, ours.down_events, ours.up_non_events, ours.down_non_events) == (0.5, 0.25, 0.2, 0.6)
    v_e, v_n = (0.75 - 0.25**2) / 4, (0.8 - 0.4**2) / 5
    for estimate, value, variance, n, events in (
        (ours.total, 0.25 + 0.4, v_e + v_n, 9, 4),
        (ours.events, 0.25, v_e, 4, 4),
        (ours.non_events, 0.4, v_n, 5, 0),
    ):
        assert (estimate.value, estimate.se) == (pytest.approx(value), pytest.approx(math.sqrt(variance)))
        assert estimate.low == pytest.approx(value - Z * math.sqrt(variance))
        assert estimate.high == pytest.approx(min(value + Z * math.sqrt(variance), 2 if n == 9 else 1))
        assert (estimate.n, estimate.n_events, estimate.level) == (n, events, 0.95)
        assert estimate.method == "continuous NRI"
        assert estimate.note == (NRI_CAUTION if n == 9 else f"interval cut at its bound; {NRI_CAUTION}")
    assert repr(ours).startswith("NRI 0.65 [")
    assert repr(ours).endswith("events 0.25, non-events 0.4")
    assert nri(Y, OLD, NEW, level=0.5).events.high == pytest.approx(0.25 + 0.6744897501960817 * math.sqrt(v_e))


def test_categories_and_a_patient_exactly_at_a_cut() -> None:
    ours = nri(Y, OLD, NEW, cuts=[0.5])
    assert (ours.up_events, ours.down_events, ours.up_non_events, ours.down_non_events) == (0.25, 0, 0, 0.2)
    assert (ours.total.value, ours.total.method) == (pytest.approx(0.45), "NRI, 2 categories")
    assert ours.total.n == 9
    assert nri([1, 0], [0.29, 0.29], [0.3, 0.3], cuts=[0.1 * 3]).up_events == 1.0
    assert nri([1, 0], [0.1, 0.9], [0.9, 0.1], cuts=[0.2, 0.5, 0.8]).total.value == 2.0
    assert nri([1, 0], [0.1, 0.9], [0.9, 0.1], cuts=[0.2, 0.5]).total.method == "NRI, 3 categories"


def test_a_change_that_counts() -> None:
    ours = nri(Y, OLD, NEW, change=0.15)
    assert (ours.up_events, ours.down_events, ours.up_non_events, ours.down_non_events) == (0.25, 0, 0, 0.2)
    assert ours.total.method == "NRI, change above 0.15"
    exactly = nri([1, 0], [0.25, 0.75], [0.5, 0.5], change=0.25)
    assert (exactly.up_events, exactly.down_non_events) == (0, 0)


def test_idi_by_hand() -> None:
    ours = idi(Y, OLD, NEW)
    up, down = np.array([0.2, 0.1, 0, -0.1]), np.array([-0.2, 0.05, -0.1, 0, -0.1])
    v_e, v_n = up.var(ddof=1) / 4, down.var(ddof=1) / 5
    assert ours.events.value == pytest.approx(0.05)
    assert ours.non_events.value == pytest.approx(0.07)
    assert ours.total.value == pytest.approx(0.12)
    assert (ours.events.se, ours.non_events.se) == (pytest.approx(math.sqrt(v_e)), pytest.approx(math.sqrt(v_n)))
    assert ours.total.se == pytest.approx(math.sqrt(v_e + v_n))
    assert ours.total.high == pytest.approx(0.12 + Z * math.sqrt(v_e + v_n))
    assert (ours.total.n, ours.events.n, ours.non_events.n, ours.total.n_events) == (9, 4, 5, 4)
    assert (ours.total.method, ours.total.note, ours.events.note) == ("IDI, normal", IDI_CAUTION, IDI_CAUTION)
    assert repr(ours).startswith("IDI 0.12 [")
    assert repr(ours).endswith("events 0.05, non-events 0.07")
    assert idi(Y, OLD, NEW, level=0.5).total.level == 0.5


@quick
@given(st.integers(0, 10**6))
def test_laws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, old, new = np.r_[1, 1, 0, 0, rng.integers(0, 2, 20)], np.round(rng.random(24), 1), np.round(rng.random(24), 1)
    there, back = nri(y, old, new), nri(y, new, old)
    assert back.total.value == pytest.approx(-there.total.value, abs=1e-15)
    assert back.total.se == pytest.approx(there.total.se)
    assert there.total.value == pytest.approx(there.events.value + there.non_events.value, abs=1e-15)
    assert -2 <= there.total.low <= there.total.value <= there.total.high <= 2
    gain = discrimination_slope(y, new).value - discrimination_slope(y, old).value
    assert idi(y, old, new).total.value == pytest.approx(gain, abs=1e-13)
    flipped = nri(1 - y, 1 - old, 1 - new)
    assert flipped.events.value == pytest.approx(there.non_events.value)
    fine = nri(y, old, new, cuts=np.arange(1, 20, 2) / 20)
    assert fine.total.value == pytest.approx(there.total.value)


def test_the_caution_is_in_every_note_and_a_miscalibrated_model_shows_why() -> None:
    """A model spoilt by sharpening alone, with the same ranking, has a positive IDI and NRI but a worse Brier score."""
    rng = np.random.default_rng(1)
    risk = rng.random(4000)
    y = (rng.random(4000) < risk).astype(int)
    sharp = 1 / (1 + ((1 - risk) / risk) ** 3)
    better = idi(y, risk, sharp)
    assert better.total.low > 0
    assert nri(y, risk, sharp).total.low > 0
    assert np.mean((sharp - y) ** 2) > np.mean((risk - y) ** 2)
    for caution in (NRI_CAUTION, IDI_CAUTION):
        assert caution.startswith("not recommended: ")
        assert "Hilden & Gerds 2014" in caution
    for name in ("Hilden & Gerds 2014", "Pepe 2015", "Kerr 2014", "Leening 2014"):
        assert name in NRI_CAUTION
    for function in (nri, idi):
        assert "Not recommended" in (function.__doc__ or "")


@pytest.mark.parametrize("function", [nri, idi])
def test_edges(function) -> None:  # type: ignore[no-untyped-def]
    caution = NRI_CAUTION if function is nri else IDI_CAUTION
    none = function([0, 0], [0.1, 0.2], [0.2, 0.4])
    assert math.isnan(none.total.value)
    assert math.isnan(none.events.value)
    assert none.total.note == none.events.note == f"undefined: no event; {caution}"
    assert function([1, 1], [0.1, 0.2], [0.2, 0.4]).total.note == f"undefined: no non-event; {caution}"
    same = function([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])
    assert (same.total.value, same.total.se) == (0, 0)
    assert math.isnan(same.total.low)
    assert same.total.note == f"no variance: no interval; {caution}"
    with pytest.raises(InputError, match="`prob_new` must lie"):
        function([0, 1], [0.1, 0.2], [0.1, 2])
    with pytest.raises(InputError, match="`prob_old` is missing"):
        function([0, 1], [math.nan, 0.2], [0.1, 0.2])
    cut = function([1, 1, 0, 0], [0, 0.5, 1, 0.5], [1, 0.5, 0, 0.5], level=0.999)
    assert cut.total.high == 2.0
    assert cut.events.high == 1.0
    assert cut.events.note == f"interval cut at its bound; {caution}"
    assert cut.total.low == pytest.approx(1 - 3.2905267314918945 * cut.total.se)
    assert function([1, 1, 0, 0], [1, 0.5, 0, 0.5], [0, 0.5, 1, 0.5], level=0.999).events.low == -1.0
    y, old, new = [1, 0, 1, 0, 0], [0.1, 0.3, 0.4, 0.2, 0.5], [0.3, 0.2, 0.5, math.nan, 0.6]
    ours = function(y, old, new, missing="complete-case", weights=[2, 1, 3, 5, 1])
    want = function([1, 1, 0, 1, 1, 1, 0], [0.1, 0.1, 0.3, 0.4, 0.4, 0.4, 0.5], [0.3, 0.3, 0.2, 0.5, 0.5, 0.5, 0.6])
    assert (ours.total.value, ours.total.n_missing, ours.events.n_missing) == (want.total.value, 1, 1)


def test_a_single_event_has_no_idi_interval() -> None:
    one = idi([1, 0, 0], [0.1, 0.2, 0.3], [0.4, 0.1, 0.3])
    assert one.total.value == pytest.approx(0.35)
    assert math.isnan(one.total.se)
    assert one.events.note == f"a single event or non-event: no interval; {IDI_CAUTION}"
    assert one.total.note == one.events.note
    assert one.non_events.se == pytest.approx(math.sqrt(0.005 / 2))


def test_bad_cuts() -> None:
    for cuts, message in (
        ([0.5, 0.2], "strictly increasing"),
        ([0.0, 0.2], r"strictly inside \(0, 1\); they run from 0 to 0.2"),
        ([0.2, 1.0], r"strictly inside \(0, 1\)"),
    ):
        with pytest.raises(InputError, match=message):
            nri(Y, OLD, NEW, cuts=cuts)
    with pytest.raises(InputError, match="either `cuts` or `change`"):
        nri(Y, OLD, NEW, cuts=[0.5], change=0.1)
    with pytest.raises(InputError, match="`change`"):
        nri(Y, OLD, NEW, change=-0.1)
