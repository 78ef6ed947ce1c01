"""Workbook, document, LaTeX and print figures: the page's numbers, harmless names, the same bytes twice."""

from __future__ import annotations

import csv
import io
import re
import shutil
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace

import pytest
from PIL import Image

from validkit.report import text
from validkit.report.exports import cells, latex, writing, xlsx
from validkit.report.exports.characters import escaped
from validkit.report.exports.manuscript import Printed, manuscript
from validkit.report.figures.base import Plate, draw
from validkit.report.figures.catalogue import plates
from validkit.report.html import render
from validkit.report.page import Cell, table
from validkit.report.records import SETS, labels, read_run
from validkit.report.tables import TABLES, csv_tables, to_csv
from validkit.report.values import Estimate, estimate

openpyxl = pytest.importorskip("openpyxl")
docx = pytest.importorskip("docx")

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "<script>alert(1)</script>",
    r"\input{/etc/passwd}",
    "% \\\\[9cm] ^^M",
    "_",
    "&",
    "盆腔 Ångström e\u0301 \u202e\x00",
    "_x003D_1+1",
    "#REF!",
    "a name of forty characters and even more",
)


@pytest.fixture(scope="module")
def run(complete_run):
    return read_run(complete_run)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """The run's exports; do not write into it."""
    found = tmp_path_factory.mktemp("exports")
    assert writing.write_exports(run, found) == []
    return found


def aucs(run):
    """(model, set) -> AUC and interval under the rounding rule, from evaluation.json."""
    return {
        (str(model["name"]), where): text.estimate(estimate(scores["auc"]))
        for model in run.models()
        for where, scores in model["sets"].items()
    }


# --- the same numbers everywhere -------------------------------------------------------------------


def rounded(value, low, high):
    return text.estimate(Estimate(*(float(x) for x in (value, low, high))))


def test_csv_and_workbook_hold_the_recorded_auc_of_every_model(run, folder):
    found = {name: body for name, body, _ in csv_tables(run)}
    rows = list(csv.DictReader(io.StringIO(found["performance.csv"])))
    assert {(r["model"], r["set"]): rounded(r["auc"], r["auc_low"], r["auc_high"]) for r in rows} == aucs(run)
    page = openpyxl.load_workbook(folder / "tables.xlsx")["performance"]
    head = [c.value for c in page[1]]
    rows = [dict(zip(head, row, strict=True)) for row in page.iter_rows(min_row=2, values_only=True)]
    assert {(r["model"], r["set"]): rounded(r["auc"], r["auc_low"], r["auc_high"]) for r in rows} == aucs(run)


def shown(run, name):
    """(model, set) of each row of a printed table of performance."""
    family = name.partition("-")[2]
    models = run.candidates(family) if family else run.compared()
    names = labels(models)
    return [(str(m["name"]), names[m["name"]], where) for m in models for where in SETS if m["sets"].get(where)]


def printed_aucs(run, read):
    """What `read(name)` gives as rows of (first cell, AUC), by model and set; every model's name is checked."""
    found = {}
    for one in manuscript(run):
        if one.name.startswith("performance"):
            head = ""
            for (model, label, where), (first, auc) in zip(shown(run, one.name), read(one.name), strict=True):
                head = first or head
                assert head.startswith(label)
                found[model, where] = auc
    return found


def test_document_holds_the_recorded_auc_of_every_model(run, folder):
    tables = docx.Document(folder / "tables.docx").tables
    by_name = dict(zip([one.name for one in manuscript(run)], tables, strict=True))

    def read(name):
        rows = [[c.text for c in row.cells] for row in by_name[name].rows]
        column = rows[0].index("AUC")
        return [(row[0], row[column].replace("\n", " ")) for row in rows[1:]]

    assert printed_aucs(run, read) == aucs(run)


def test_latex_holds_the_recorded_auc_of_every_model(run, folder):
    def read(name):
        source = (folder / f"{name}.tex").read_text(encoding="utf-8").replace("{[}", "[").replace("$-$", text.MINUS)
        rows = [line[:-3].split(" & ") for line in source.splitlines() if line.endswith(r" \\") and "short" not in line]
        return [(a[0], f"{a[3]} {b[3]}") for a, b in zip(rows[::2], rows[1::2], strict=True)]

    assert printed_aucs(run, read) == aucs(run)


def test_page_holds_the_recorded_auc_of_every_model(run):
    bare = [replace(plate, panels=(), reason="not drawn") for plate in plates(run)]
    page = render(run, bare, {plate.name: () for plate in bare})
    missed = [key for key, auc in aucs(run).items() if f"AUC {auc}; " not in page]
    assert missed == []


# --- the workbook ----------------------------------------------------------------------------------


def test_workbook_says_what_it_is_and_numbers_are_numbers(run, folder):
    book = openpyxl.load_workbook(folder / "tables.xlsx")
    about = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True)}
    assert book.sheetnames[0] == "About"
    assert about["Run"] == "plnm-paper"
    assert about["Protocol digest"] == "3f" * 32
    assert about["validkit"] == "0.1.0"
    assert about["Patients"].startswith("Synthetic")
    assert set(TABLES) <= set(about)
    assert "no site was pooled" in about["pooled-sites"]
    assert "pooled-sites" not in book.sheetnames
    page = book["comparisons"]
    assert page.freeze_panes == "A2"
    assert all(c.font.bold for c in page[1])
    assert not page["A2"].font.bold
    p = page.cell(2, [c.value for c in page[1]].index("p") + 1)
    assert (p.value, p.data_type, p.number_format) == (0.0002, "n", "0.00E+00")
    assert page.column_dimensions["H"].width > 10


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (3, "0"),
        (1561, "#,##0"),
        (0.5, "0.000"),
        (0.0, "0.000"),
        (-0.0001, "0.00E+00"),
        (2e4, "#,##0"),
        (1e8, "0.00E+00"),
    ],
)
def test_numbers_are_shown_as_the_report_rounds(x, expected):
    assert xlsx.number_format(x) == expected


def test_sheets_have_names_that_excel_takes():
    long = "a name of forty characters and even more"
    names = xlsx.sheet_names(
        [long, long.upper(), f"{long}!", "a/b", "a:b", "'quoted'", "", "History", "about", "盆腔" * 20]
    )
    assert len({name.lower() for name in names}) == len(names)
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\") for name in names)
    assert names[3:6] == ["a_b", "a_b-2", "quoted"]
    assert not {"about", "history"} & {name.lower() for name in names}


# --- hostile names ---------------------------------------------------------------------------------


def test_no_cell_of_the_workbook_is_a_formula():
    sheets = [
        xlsx.Sheet(name, name, HOSTILE, [HOSTILE, (1, 0.5, True, None, float("inf"), float("nan"))]) for name in HOSTILE
    ]
    data = xlsx.workbook([(name, name) for name in HOSTILE], sheets)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pages = [archive.read(name) for name in archive.namelist() if "worksheets" in name]
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ET.fromstring(archive.read(name))
    assert not [page for page in pages if b"<f" in page]
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert len(book.sheetnames) == len(HOSTILE) + 1
    for page in book:
        for cell in (c for row in page.iter_rows() for c in row if c.value is not None):
            assert cell.data_type in "snb"
            if isinstance(cell.value, str):
                assert cell.quotePrefix == cell.value.lstrip().startswith(tuple("=+-@"))
    page = book.worksheets[1]
    assert [c.value for c in page[2]] == [cells.sheet_text(name) for name in HOSTILE]
    assert cells.sheet_text("_x003D_1+1") == "_x005F_x003D_1+1"
    assert [c.value for c in page[3]][:6] == [1, 0.5, True, None, "∞", None]


def test_no_cell_of_a_csv_file_is_a_formula():
    rows = list(csv.reader(io.StringIO(to_csv(HOSTILE, [HOSTILE]))))
    for row in rows:
        starts = [cell for cell in row if cell.lstrip().startswith(tuple("=+-@\t\r"))]
        assert starts == ["+1"]
    assert rows[0][0] == "'=cmd|' /C calc'!A0"
    assert cells.safe("+١") == "'+١"


def test_a_cell_holds_no_more_than_excel_takes():
    assert len(cells.sheet_text("x" * 40_000)) == 32_767


def hostile_table():
    rows = [[Cell(name, sub=other, note=name) for name, other in zip(HOSTILE, HOSTILE[::-1], strict=True)]]
    return Printed("hostile", table(" ".join(HOSTILE), HOSTILE, rows, HOSTILE))


COMMAND = re.compile(r"\\(textbackslash|input)\{")


def test_latex_prints_every_character_as_itself():
    assert escaped("\\{}$&#%_^~<>|") == (
        r"\textbackslash{}\{\}\$\&\#\%\_\textasciicircum{}\textasciitilde{}\textless{}\textgreater{}\textbar{}"
    )
    assert escaped("\"'`[*] a--b,,c") == r"\char34{}\textquotesingle{}\textasciigrave{}{[}{*}] a-{}-b,{},c"
    assert escaped("e\u0301Žß χ² −1 ≤ τ 10⁻³") == (
        r"\'{e}\v{Z}\ss{} $\chi$\textsuperscript{2} $-$1 $\leq$ $\tau$ "
        r"10\textsuperscript{$-$}\textsuperscript{3}"
    )
    assert escaped("a\n\n\\par%") == r"a \textbackslash{}par\%"
    files = latex.latex_files([hostile_table()], " ".join(HOSTILE))
    source = "".join(files.values())
    assert set(COMMAND.findall(source)) == {"textbackslash", "input"}
    assert re.findall(r"\\input\{[^}]*\}", source) == [r"\input{hostile}"]
    body = files["hostile.tex"].partition("\n")[2].replace("{%\n", "{")
    assert not re.search(r"(?<!\\)[%#_]", body)
    assert not re.search(r"\\\\\s*\[", body)
    assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
    assert all(line.count(" & ") == len(HOSTILE) - 1 for line in body.splitlines() if line.endswith(r" \\"))
    declared = re.findall(r"\\DeclareUnicodeCharacter\{(\w+)\}", files["all.tex"])
    assert {chr(int(code, 16)) for code in declared} == {c for c in source if not c.isascii()}


def test_hostile_models_sites_and_columns_are_harmless(run_folder, edit, tmp_path):
    def rename(record):
        for i, model in enumerate(record["models"]):
            model["label"] = f"{HOSTILE[i % len(HOSTILE)]}{i}"
            for scores in model["sets"].values():
                scores["auc"]["method"] = scores["auc"]["note"] = HOSTILE[i % len(HOSTILE)]

    edit("evaluation.json", rename)
    edit("run.json", lambda r: (r["protocol"].update(name=HOSTILE[0]), r["cohort"].update(name=HOSTILE[6])))
    edit(
        "stages/cohort.json",
        lambda r: r["table1"].update(columns=list(HOSTILE), rows=[list(HOSTILE)], title=HOSTILE[6]),
    )
    assert writing.write_exports(read_run(run_folder), tmp_path) == []
    with zipfile.ZipFile(tmp_path / "tables.docx") as archive:
        body = archive.read("word/document.xml")
    assert not re.search(rb"<w:(fldSimple|instrText|hyperlink|object)\b", body)
    words = "\n".join(
        c.text for t in docx.Document(tmp_path / "tables.docx").tables for row in t.rows for c in row.cells
    )
    assert all(text.clean(name) in words for name in HOSTILE)
    assert r"\input{/etc" not in "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.tex"))
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx")
    assert {c.data_type for page in book for row in page.iter_rows() for c in row} <= set("snb")


# --- the document and LaTeX ------------------------------------------------------------------------


def test_document_prints_tables_as_journals_do(run, folder):
    found = docx.Document(folder / "tables.docx")
    printed = manuscript(run)
    assert [one.name for one in printed][:3] == ["table1", "table2", "performance"]
    captions = [p.text for p in found.paragraphs if p.style.name == "Caption"]
    assert captions == [f"Table {i}. {one.title}." for i, one in enumerate(printed, 1)]
    assert [s.orientation == 1 for s in found.sections] == [one.wide for one in printed]
    assert "SYNTHETIC" in found.sections[0].header.paragraphs[0].text
    words = [p.text for p in found.paragraphs]
    assert sum(w.startswith("Synthetic data") for w in words) == len(printed)
    assert any("95 % confidence intervals. AUC: DeLong" in w for w in words)
    for one in found.tables:
        source = one._tbl.xml
        assert source.count("<w:tblHeader/>") == 1
        assert source.count("<w:tcBorders>") == len(one.columns)
        assert source.count("<w:tblBorders>") == 1
        assert "<w:left " not in source


def test_latex_tables_stand_alone(run, folder):
    names = [one.name for one in manuscript(run)]
    assert re.findall(r"\\input\{([^}]*)\}", (folder / "all.tex").read_text(encoding="utf-8")) == names
    for name in names:
        source = (folder / f"{name}.tex").read_text(encoding="utf-8")
        assert source.count(r"\begin{table}") == source.count(r"\end{table}") >= 1
        assert source.count(r"\label{tab:") == 1
        assert source.count(r"\toprule") == source.count(r"\midrule") == source.count(r"\bottomrule")


def test_long_tables_are_continued_on_further_pages():
    rows = [[Cell(f"m{i}", head=True, rows=2), "a"] if i % 2 == 0 else ["b"] for i in range(100)]
    source = latex.latex_table(Printed("long", table("Long", ["Model", "Set"], rows, ["A note."])))
    assert source.count("(continued)") == 2
    assert source.count("A note.") == 1
    assert source.count(r"\label") == 1
    assert [line for line in source.splitlines() if line.startswith("m")] == [rf"m{i} & a \\" for i in range(0, 100, 2)]


# --- files -----------------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes(run, folder, tmp_path):
    writing.write_exports(run, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in folder.iterdir()}
    assert [name for name in names if (tmp_path / name).read_bytes() != (folder / name).read_bytes()] == []
    for name in ("tables.xlsx", "tables.docx"):
        with zipfile.ZipFile(folder / name) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            core = archive.read("docProps/core.xml").decode()
        assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"1980-01-01T00:00:00Z"}


def test_without_the_extra_the_rest_is_written_and_said(run, folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "transfer.tex").write_text("of an earlier drawing")
    monkeypatch.setattr(writing, "missing", lambda extra: ["openpyxl", "docx"])
    (note,) = writing.write_exports(run, tmp_path)
    assert note.startswith("tables.xlsx and tables.docx need the extra 'exports'")
    assert {path.suffix for path in tmp_path.iterdir()} == {".tex"}
    assert not (tmp_path / "transfer.tex").exists()
    monkeypatch.setattr(writing, "missing", lambda extra: ["docx"])
    assert writing.left_out()[0].startswith("tables.docx needs the extra")


def test_a_run_with_no_records_gives_a_workbook_that_says_so(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    writing.write_exports(read_run(tmp_path), tmp_path / "tables")
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["tables.xlsx"]
    about = openpyxl.load_workbook(tmp_path / "tables" / "tables.xlsx")["About"]
    words = " ".join(str(c.value) for row in about.iter_rows() for c in row)
    assert "the run folder has no evaluation.json" in words
    assert "Not recorded whether real or synthetic" in words


@pytest.mark.parametrize("name", ["sites", "resamples", "given"])
def test_every_design_has_its_tables(variants, name):
    run = read_run(variants(name))
    printed = manuscript(run)
    assert {"performance", "comparisons"} <= {one.name for one in printed}
    assert all(len(line) == len(one.table.columns) for one in printed for line in one.grid)
    assert not [one for one in printed if any(note.startswith("Synthetic") for _, note in one.notes)] or run.synthetic


def test_print_figures_are_vectors_with_fonts_and_pictures_of_a_columns_width(run):
    catalogue = {plate.name: plate for plate in plates(run)}
    for name, pixels in (("01-feature-counts", 1004), ("11-nomogram", 2126)):
        plate = Plate(name, "", "", catalogue[name].panels[:1])
        (one,), (screen,) = draw(plate, for_print=True), draw(plate)
        assert (screen.svg, screen.pdf, screen.printed) == (one.svg, b"", b"")
        assert (screen.png[:4], one.png) == (b"\x89PNG", b"")
        assert one.pdf.startswith(b"%PDF")
        assert b"/FontFile2" in one.pdf
        assert b"/Type3" not in one.pdf
        assert b"Date" not in one.pdf
        picture = Image.open(io.BytesIO(one.printed))
        assert picture.width == pixels
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_the_command_exports_unless_told_otherwise(variants, tmp_path, capsys, monkeypatch):
    from tests.commands import command

    monkeypatch.delenv("VALIDKIT_EXPORTS")
    folder = tmp_path / "given"
    shutil.copytree(variants("given"), folder)
    assert command("report", folder) == 0
    assert (folder / "tables" / "tables.xlsx").exists()
    assert (folder / "tables" / "tables.docx").exists()
    assert (folder / "tables" / "all.tex").exists()
    pictures = {file.stem for file in (folder / "figures").glob("*.svg")}
    for suffix in ("pdf", "png", "csv"):
        assert {file.stem for file in (folder / "figures").glob(f"*.{suffix}")} == pictures
    assert "report.html" in capsys.readouterr().out.replace("\n", "")
    page = (folder / "report.html").read_bytes()
    assert command("report", folder, "--no-exports") == 0
    assert not (folder / "tables" / "tables.xlsx").exists()
    assert not list((folder / "figures").glob("*.pdf"))
    assert (folder / "report.html").read_bytes() == page
