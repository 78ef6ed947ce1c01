"""No two labels of the nomogram touch, whatever its terms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from validkit.report.figures import style
from validkit.report.figures.nomogram import NomogramDisplay, Ruler


def display(*terms: Ruler, points: float = 100.0) -> NomogramDisplay:
    ticks = tuple((float(v), f"{v:g}") for v in np.linspace(0, points, 11))
    totals = (
        Ruler("Total points", tuple((float(v), f"{v:g}") for v in range(0, 240, 20)), major=True),
        Ruler(
            "Probability",
            tuple((100.0 + 4 * i, f"{p:g}") for i, p in enumerate((0.01, 0.1, 0.5, 0.9, 0.99))),
            major=True,
        ),
    )
    return NomogramDisplay("metastasis", Ruler("Points", ticks, major=True), terms, totals, (0.0, 220.0))


def boxes(shown: NomogramDisplay) -> list[tuple[str, object]]:
    figure = shown.figure()
    FigureCanvasAgg(figure)
    with style.house_style():
        renderer = figure.canvas.get_renderer()
        found = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
        return [(t.get_text(), t.get_window_extent(renderer)) for t in found]


def touching(shown: NomogramDisplay) -> list[tuple[str, str]]:
    return [(a, b) for (a, x), (b, y) in combinations(boxes(shown), 2) if x.overlaps(y)]


def outside(shown: NomogramDisplay) -> list[str]:
    page = shown.figure().bbox
    return [w for w, b in boxes(shown) if b.x0 < 0 or b.y0 < 0 or b.x1 > page.width or b.y1 > page.height]


def test_crowded_numbers_keep_an_even_choice_of_labels():
    shown = display(Ruler("Age, years", tuple((v * 1.0, str(v)) for v in range(101))))
    assert touching(shown) == []
    texts = [words for words, _ in boxes(shown)]
    assert {"0", "50", "100"} <= set(texts)


def test_a_ruler_too_short_for_two_numbers_shows_its_ends():
    shown = display(Ruler("Red cells", tuple((0.1 * i, f"{2.5 + i:g}") for i in range(5))))
    assert "2.5 to 6.5" in {words for words, _ in boxes(shown)}
    assert touching(shown) == []


def test_categories_with_nearly_the_same_points_are_all_named():
    names = ("squamous", "adenosquamous", "adenocarcinoma")
    shown = display(Ruler("Histology", tuple((2.0 * i, n) for i, n in enumerate(names)), every=True))
    assert touching(shown) == []
    assert "from left to right: squamous, adenosquamous, adenocarcinoma" in {words for words, _ in boxes(shown)}


def test_categories_apart_stand_at_their_ticks():
    shown = display(Ruler("Histology", ((0.0, "squamous"), (30.0, "adeno"), (36.0, "other")), every=True))
    assert touching(shown) == []
    assert {"squamous", "adeno", "other"} <= {words for words, _ in boxes(shown)}


def test_everything_lies_inside_the_figure():
    shown = display(
        Ruler("A predictor with a name that is far too long for one line, 10^12/L", ((0.0, "low"), (100.0, "high")))
    )
    assert outside(shown) == []


def test_a_ruler_outside_the_range_says_so():
    shown = display(Ruler("Broken", ((500.0, "x"),)))
    shown = NomogramDisplay(shown.outcome, shown.points, (), shown.totals, (500.0, 600.0))
    assert any("no value of this ruler" in words for words, _ in boxes(shown))


@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.generate))
@example([0.0, 1.0], [(0.0, "a"), (98.0, "aaaaaaaaaaaaa")])
@given(
    st.lists(st.floats(min_value=0, max_value=100), min_size=2, max_size=25),
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=100), st.text("abcxyz", min_size=1, max_size=16)),
        min_size=2,
        max_size=5,
    ),
)
def test_labels_never_touch_or_leave_the_figure(numbers, levels):
    terms = (
        Ruler("Number, mm", tuple((v, f"{v:.1f}") for v in numbers)),
        Ruler("Level", tuple(levels), every=True),
    )
    shown = display(*terms)
    assert touching(shown) == []
    assert outside(shown) == []
