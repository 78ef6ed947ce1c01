"""The laws of splits: who belongs together stays together, everyone is held out as declared, chance is the seed's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from validkit.errors import InputError, StageError
from validkit.plan import seeder
from validkit.samples import distinct_names
from validkit.sections import (
    AsGiven,
    BootstrapDesign,
    Design,
    External,
    Holdout,
    InternalExternal,
    KFold,
    Nested,
    RepeatedKFold,
)
from validkit.splits import Patients, Split, make_splits

RANDOM: list[Any] = [
    Holdout(test=0.3),
    Holdout(test=0.3, stratify="none"),
    KFold(kind="kfold", folds=4),
    KFold(kind="kfold", folds=4, stratify="none"),
    RepeatedKFold(kind="repeated-kfold", folds=3, repeats=3),
    Nested(kind="nested", folds=3, repeats=2),
    BootstrapDesign(kind="bootstrap", resamples=5),
    BootstrapDesign(kind="bootstrap", resamples=5, stratify="outcome"),
]
FIXED: list[Any] = [
    Holdout(by="date", test=0.3),
    Holdout(by="date", since="2024-02-10"),
    Holdout(by="device", held_out=("B",)),
    InternalExternal(kind="internal-external"),
]
DESIGNS = RANDOM + FIXED


def name_of(design: Any) -> str:
    by = f" by {design.by}" if isinstance(design, Holdout) else ""
    return f"{design.kind}{by} {getattr(design, 'stratify', '')}"


each_design = pytest.mark.parametrize("design", DESIGNS, ids=name_of)
each_random = pytest.mark.parametrize("design", RANDOM, ids=name_of)


@st.composite
def cohorts(draw: st.DrawFn, *, grouped: bool | None = None) -> Patients:
    """Patients at three sites, examined on 60 days with three devices, some of them in groups within their site."""
    n, seed = draw(st.integers(60, 160)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    ids = [f"p{i:03d}" for i in rng.permutation(n)]
    y = (rng.random(n) < draw(st.floats(0.3, 0.7))).astype(int)
    site = rng.choice(["north", "south", "east"], n)
    groups = np.arange(n)
    if draw(st.booleans()) if grouped is None else grouped:
        for row in range(1, n):  # about a third joins somebody of the same site
            earlier = np.flatnonzero(site[:row] == site[row])
            if earlier.size and rng.random() < 0.35:
                groups[row] = groups[rng.choice(earlier)]
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, n), "D")
    columns = {"y": y, "groups": groups, "site": site, "day": day, "device": rng.choice(["A", "B", "C"], n)}
    table = pd.DataFrame(columns, index=ids)
    return Patients(table["y"], table["groups"], table["site"], table["day"], table["device"])


def split_as(design: Design, patients: Patients, seed: int = 42) -> tuple[Split, ...]:
    """The splits, or a refused example: a cohort that happens not to be divisible."""
    try:
        return make_splits(design, patients, seed, seeder(seed))
    except (InputError, StageError):
        assume(False)
        raise


def plain(n: int, events: int, **roles: Any) -> Patients:
    ids = [f"p{i:03d}" for i in range(n)]
    y = pd.Series([1] * events + [0] * (n - events), index=ids)
    return Patients(y, **{name: pd.Series(list(values), index=ids) for name, values in roles.items()})


# --- apart -----------------------------------------------------------------------------------------


@each_design
@settings(max_examples=15)
@given(patients=cohorts())
def test_nobody_and_no_group_is_on_both_sides(design: Any, patients: Patients) -> None:
    group = patients.groups
    for split in split_as(design, patients):
        training, held_out = set(split.training), set(split.held_out)
        if isinstance(design, BootstrapDesign):
            held_out -= training  # those out of the bag are who did not train
        assert training
        assert held_out or isinstance(design, BootstrapDesign)
        assert not training & held_out
        assert not set(group[list(training)]) & set(group[list(held_out)])
        assert training | held_out == set(patients.ids)


@each_design
@settings(max_examples=10)
@given(patients=cohorts())
def test_ids_stand_in_the_cohorts_order_and_names_are_unique(design: Any, patients: Patients) -> None:
    place = {patient: i for i, patient in enumerate(patients.ids)}
    splits = split_as(design, patients)
    assert len({split.name for split in splits}) == len(splits)
    for split in splits:
        assert split.name.replace("-", "").isalnum()
        for side in (split.training, split.held_out):
            rows = [place[patient] for patient in side]
            assert rows == sorted(rows)


@pytest.mark.parametrize("design", [d for d in DESIGNS if getattr(d, "folds", 0) or d.kind == "internal-external"])
@settings(max_examples=15)
@given(patients=cohorts())
def test_everybody_is_held_out_once_in_each_repeat(design: Any, patients: Patients) -> None:
    splits = split_as(design, patients)
    for repeat in range(1, design.repeats + 1):
        own = [split for split in splits if split.repeat == repeat]
        assert [split.fold for split in own] == list(range(1, len(own) + 1))
        assert Counter(p for split in own for p in split.held_out) == Counter(patients.ids)
    assert len(splits) == design.repeats * getattr(design, "folds", 3)


@settings(max_examples=25)
@given(patients=cohorts(), stratify=st.sampled_from(["outcome", "none"]))
def test_a_resample_draws_whole_groups_as_many_as_there_are(patients: Patients, stratify: Any) -> None:
    design = BootstrapDesign(kind="bootstrap", resamples=6, stratify=stratify)
    splits = split_as(design, patients)
    group = patients.groups.loc[list(patients.ids)]  # type: ignore[union-attr]
    event = patients.outcome.groupby(group).max()
    assert len({split.training for split in splits}) > 1
    for split in splits:
        assert split.held_out == patients.ids
        times = pd.Series(Counter(split.training)).reindex(patients.ids, fill_value=0)
        drawn = times.groupby(group)
        assert (drawn.max() == drawn.min()).all()
        assert drawn.max().sum() == group.nunique()
        if stratify == "outcome":
            assert drawn.max()[event == 1].sum() == (event == 1).sum()


def test_about_a_third_is_out_of_the_bag() -> None:
    splits = make_splits(BootstrapDesign(kind="bootstrap", resamples=200), plain(100, 40), 1, seeder(1))
    share = np.mean([1 - len(set(split.training)) / 100 for split in splits])
    assert share == pytest.approx(0.99**100, abs=0.01)  # (1 - 1/n)^n


# --- the event's share -------------------------------------------------------------------------------


@settings(max_examples=30)
@given(patients=cohorts(grouped=False), folds=st.integers(2, 10))
def test_stratified_folds_share_out_events_to_the_last_one(patients: Patients, folds: int) -> None:
    splits = split_as(KFold(kind="kfold", folds=folds), patients)
    events = [int(patients.outcome[list(split.held_out)].sum()) for split in splits]
    sizes = [len(split.held_out) for split in splits]
    assert max(events) - min(events) <= 1
    assert max(sizes) - min(sizes) <= 2


@settings(max_examples=30)
@given(patients=cohorts(grouped=False), test=st.floats(0.1, 0.6))
def test_a_stratified_holdout_keeps_the_events_share(patients: Patients, test: float) -> None:
    (split,) = split_as(Holdout(test=test), patients)
    share = patients.outcome.mean()
    for side in (split.training, split.held_out):
        assert abs(patients.outcome[list(side)].mean() - share) <= 1.0 / len(side)


@settings(max_examples=30)
@given(patients=cohorts(grouped=True))
def test_with_groups_every_fold_still_holds_both_outcomes(patients: Patients) -> None:
    for split in split_as(Nested(kind="nested", folds=4), patients):
        assert patients.outcome[list(split.held_out)].nunique() == 2
        assert patients.outcome[list(split.training)].nunique() == 2


# --- chance ------------------------------------------------------------------------------------------


@each_random
@settings(max_examples=8)
@given(patients=cohorts(), seed=st.integers(0, 2**32 - 2))
def test_the_seed_makes_the_splits(design: Any, patients: Patients, seed: int) -> None:
    first = split_as(design, patients, seed)
    assert make_splits(design, patients, seed, seeder(seed)) == first
    assert split_as(design, patients, seed + 1) != first


@pytest.mark.parametrize("design", FIXED, ids=name_of)
@settings(max_examples=10)
@given(patients=cohorts(), seed=st.integers(0, 2**32 - 2), order=st.randoms(use_true_random=False))
def test_rules_without_chance_need_no_seed_and_no_order(design: Any, patients: Patients, seed: int, order: Any) -> None:
    """By date, by device and by site the sides are the same sets in whatever order the table's rows stand.

    At random they are not: the order of rows is part of the cohort's digest, and the seed shuffles positions.
    """
    ids = list(patients.ids)
    order.shuffle(ids)
    moved = Patients(
        patients.outcome.loc[ids], patients.groups, patients.site, patients.date, patients.device
    )  # roles are found by id, not by place

    def sides(splits: tuple[Split, ...]) -> set[tuple[str, frozenset[str], frozenset[str]]]:
        return {(split.site, frozenset(split.training), frozenset(split.held_out)) for split in splits}

    expected = sides(split_as(design, patients))
    assert sides(split_as(design, patients, seed)) == expected
    assert sides(split_as(design, moved, seed)) == expected


@each_random
@settings(max_examples=8)
@given(patients=cohorts(grouped=True))
def test_the_labels_of_groups_do_not_matter(design: Any, patients: Patients) -> None:
    renamed = Patients(patients.outcome, (patients.groups * 7919 + 3) % 100003)  # type: ignore[operator]
    assert split_as(design, renamed) == split_as(design, patients)


@settings(max_examples=25)
@given(st.integers(20, 400), st.floats(0.2, 0.8), st.floats(0.1, 0.6), st.integers(0, 2**32 - 1))
@example(421, 107 / 421, 0.3, 42)
def test_without_groups_a_holdout_is_scikit_learns(n: int, share: float, test: float, seed: int) -> None:
    from sklearn.model_selection import StratifiedShuffleSplit

    patients = plain(n, round(share * n))
    (split,) = split_as(Holdout(test=test), patients, seed)
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=test, random_state=seed)
    training, held_out = next(splitter.split(np.zeros((n, 1)), patients.y))
    assert split.training == patients.named(np.sort(training))
    assert split.held_out == patients.named(np.sort(held_out))


def test_the_papers_split_has_its_size() -> None:
    (split,) = make_splits(Holdout(test=0.30), plain(421, 107), 42, seeder(42))
    assert (len(split.training), len(split.held_out)) == (294, 127)


@settings(max_examples=25)
@given(st.integers(4, 60), st.integers(2, 8), st.integers(0, 1000))
def test_without_groups_stratified_folds_are_scikit_learns(n: int, folds: int, seed: int) -> None:
    from sklearn.model_selection import StratifiedKFold

    patients = plain(2 * n, n)
    assume(n >= folds)
    splits = make_splits(KFold(kind="kfold", folds=folds), patients, seed, seeder(seed))
    theirs = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(2 * n), patients.y)
    assert [split.held_out for split in splits] == [patients.named(rest) for _, rest in theirs]


# --- by date, device, site ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(patients=cohorts(grouped=False), test=st.floats(0.05, 0.9))
def test_by_date_the_latest_are_held_out_and_no_day_is_divided(patients: Patients, test: float) -> None:
    (split,) = split_as(Holdout(by="date", test=test), patients)
    assert patients.date is not None
    training, held_out = patients.date[list(split.training)], patients.date[list(split.held_out)]
    assert training.max() < held_out.min()
    wanted = int(np.ceil(test * len(patients.ids)))
    assert len(held_out) >= wanted > (held_out > held_out.min()).sum()


@settings(max_examples=20)
@given(patients=cohorts(grouped=True))
def test_by_date_somebody_earlier_is_held_out_only_with_the_group(patients: Patients) -> None:
    (split,) = split_as(Holdout(by="date", since="2024-02-10"), patients)
    assert patients.date is not None
    assert patients.groups is not None
    first = pd.Timestamp("2024-02-10")
    assert (patients.date[list(split.training)] < first).all()
    late = set(patients.groups[patients.date >= first])
    assert set(patients.groups[list(split.held_out)]) == late


@settings(max_examples=20)
@given(patients=cohorts(grouped=False))
def test_by_device_those_of_the_named_devices_are_held_out(patients: Patients) -> None:
    (split,) = split_as(Holdout(by="device", held_out=("A", "C")), patients)
    assert patients.device is not None
    assert set(patients.device[list(split.held_out)]) == {"A", "C"}
    assert set(patients.device[list(split.training)]) == {"B"}


@settings(max_examples=20)
@given(patients=cohorts())
def test_each_site_is_left_out_in_the_order_of_the_cohort(patients: Patients) -> None:
    splits = split_as(InternalExternal(kind="internal-external"), patients)
    assert patients.site is not None
    assert [split.site for split in splits] == list(dict.fromkeys(patients.site))
    for split in splits:
        assert set(patients.site[list(split.held_out)]) == {split.site}
        assert split.site not in set(patients.site[list(split.training)])


@pytest.mark.parametrize("design", [AsGiven(kind="as-given"), External(kind="external")])
def test_where_nothing_is_fitted_everybody_is_held_out(design: Any) -> None:
    (split,) = make_splits(design, plain(10, 0), 1, seeder(1))
    assert (split.training, split.held_out) == ((), plain(10, 0).ids)


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "patients", "message"),
    [
        (Holdout(), plain(50, 1), r"needs two patients of each kind; got 1 events among 50"),
        (Holdout(), plain(50, 49), r"needs two patients of each kind; got 49 events among 50"),
        (Holdout(test=0.1), plain(8, 4), r"test = 0\.1 holds out 1 of 8 and leaves 7; each side needs at least 2"),
        (Holdout(test=0.99), plain(8, 4), r"holds out 8 of 8 and leaves 0; .* choose another share"),
        (Holdout(stratify="none"), plain(50, 0), r"training patients \(35\) hold 0 events; both kinds"),
        (Holdout(stratify="none", test=0.02), plain(50, 10), r"held-out patients \(1\) hold [01] events; both kinds"),
        (Holdout(by="device", held_out=("D",)), plain(6, 3, device="AABBCC"),
         r"names the device 'D', which no patient has; there are 'A', 'B', 'C'"),
        (Holdout(by="device", held_out=("A", "B")), plain(4, 2, device="ABAB"), r"leaves no training patients"),
        (Holdout(by="date", since="2030-01-01"), plain(3, 1, date=pd.to_datetime(["2024-01-01"] * 3)),
         r"by = 'date' leaves no held-out patients; change the rule"),
        (Holdout(by="date"), plain(3, 1, date=pd.to_datetime(["2024-01-01"] * 3)), r"leaves no training patients"),
        (Holdout(by="device", held_out=("B",)), plain(6, 3, device="AABBBB", groups=[0, 0, 0, 0, 0, 0]),
         r"leaves no training patients"),
        (InternalExternal(kind="internal-external"), plain(6, 3, site=["here"] * 6),
         r"at least two sites; all patients are of 'here'"),
        (InternalExternal(kind="internal-external"), plain(4, 2, site="aabb", groups=[0, 1, 1, 2]),
         r"patients p001, p002 belong together .* at different sites; correct the table"),
        (InternalExternal(kind="internal-external"), plain(6, 3, site="aaabbb"),
         r"training patients of split 'site-01' \(3\) hold 0 events; both kinds"),
        (KFold(kind="kfold", folds=5), plain(50, 4), r"5-fold cross-validation \(design\.folds\) needs at least 5"),
        (KFold(kind="kfold", folds=3), plain(12, 6, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
         r"needs at least 3 patients of each outcome; there are 2 with the event among 12 in 4 groups"),
        (KFold(kind="kfold", folds=9, stratify="none"), plain(8, 4), r"folds = 9 needs as many patients; there are 8"),
        (KFold(kind="kfold", folds=2, stratify="none"), plain(20, 1), r"hold 0 events; both kinds of patient"),
        (BootstrapDesign(kind="bootstrap", resamples=50), plain(10, 1),
         r"patients of split 'resample-\d+' \(10\) hold 0 events; .* stratify = 'outcome'"),
    ],
)  # fmt: skip
def test_what_cannot_be_divided_is_refused_with_the_mend(design: Any, patients: Patients, message: str) -> None:
    with pytest.raises((InputError, StageError), match=message):
        make_splits(design, patients, 3, seeder(3))


# --- names of drawn patients ---------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["A", "A#2", "A#2#2", "B", "B#3"]), max_size=30))
def test_drawn_patients_get_names_of_their_own(ids: list[str]) -> None:
    names = distinct_names(iter(ids))
    assert len(set(names)) == len(names) == len(ids)
    first = {name: ids.index(name) for name in ids}
    for place, (name, patient) in enumerate(zip(names, ids, strict=True)):
        assert (name == patient) == (place == first[patient])
        assert name == patient or name.startswith(f"{patient}#")
