"""A table of results as Markdown, LaTeX and CSV; whatever comes from names is escaped for each."""

import csv
import io
import math
import re

from pathfm.report.limits import LINES
from pathfm.report.words import ARROWS, DAGGER, DOUBLE_DAGGER, FLOOR, UNCHANGED, number


def cell_text(cell, signed: bool) -> str:
    """For example `+1.3 [+0.2, +2.4] ▲`."""
    if cell.value is None:
        return cell.text
    value, low, high = (number(one, signed) for one in (cell.value, cell.low, cell.high))
    interval = "" if cell.unchanged and cell.point else f" [{low}, {high}]"
    return (UNCHANGED if cell.unchanged else value) + interval + marks(cell)


def marks(cell) -> str:
    """The signs behind a cell, each after a space."""
    flags = ((cell.one_sided, DAGGER), (cell.unconverged, DOUBLE_DAGGER), (cell.at_floor, FLOOR))
    return "".join(f" {mark}" for mark in (ARROWS[cell.arrow], *(sign for flag, sign in flags if flag)) if mark)


def markdown(table) -> str:
    blocks = []
    for block, title in table.titles.items():
        head = ["", *table.columns]
        lines = [[markdown_escaped(row.label), *(_markdown_cell(cell, row.kind) for cell in row.cells)] for row in table.block(*block)]
        body = ["| " + " | ".join(line) + " |" for line in [list(map(markdown_escaped, head)), *lines]]
        blocks.append("\n".join([f"**{markdown_escaped(title)}**", "", body[0], "| --- |" + " ---: |" * len(table.columns), *body[1:]]))
        if limits := limit_lines(table, block):
            body = ["| " + " | ".join(map(markdown_escaped, line)) + " |" for line in [head, *limits]]
            blocks.append("\n".join([f"*{LIMITS}*", "", body[0], "| --- |" + " ---: |" * len(table.columns), *body[1:]]))
    blocks.append("\n".join(f"- {markdown_escaped(str(note))}" for note in table.notes))
    return "\n\n".join(blocks) + "\n"


LIMITS = "What these differences could have shown"


def limit_lines(table, block: tuple[str, str]) -> list[list[str]]:
    """The lines of a block's limits: what it is and of which run, and a word for each column."""
    return [[f"{one.approach}: {LINES[name]}", *words] for one in table.limits_of(*block) for name, words in one.lines().items()]


def _markdown_cell(cell, kind: str) -> str:
    return markdown_escaped(cell.text) if cell.value is None else cell_text(cell, kind == "delta")


def markdown_escaped(text: str) -> str:
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text)


def latex(table) -> str:
    """A `tabular` for each fit, for the package booktabs."""
    blocks = []
    for block, title in table.titles.items():
        lines = [[row.label, *(cell_text(cell, row.kind == "delta") for cell in row.cells)] for row in table.block(*block)]
        limits = limit_lines(table, block)
        body = [" & ".join(map(latex_escaped, line)) + r" \\" for line in [["", *table.columns], *lines, *limits]]
        if limits:
            body.insert(1 + len(lines), r"\midrule")
        start = [f"% {_one_line(title)}", rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
        blocks.append("\n".join([*start, body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}"]))
    blocks.append("\n".join(rf"\par {latex_escaped(str(note))}" for note in table.notes))
    return "\n\n".join(blocks) + "\n"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "Δ": r"$\Delta$",
    "▲": r"$\uparrow$",
    "▼": r"$\downarrow$",
    DAGGER: r"$^\dagger$",
    DOUBLE_DAGGER: r"$^\ddagger$",
    FLOOR: r"\S{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",
    "]": "{]}",
    **{symbol: "\\" + symbol for symbol in "&%$#_{}"},
}


def latex_escaped(text: str) -> str:
    return "".join(LATEX.get(symbol, symbol) for symbol in _one_line(text))


def csv_text(table) -> str:
    """A line per row and, for each column, value, low and high as plain numbers; texts that a spreadsheet would run are quoted.

    Below them the limits, a line of each kind ("detectable", "needed", "excluded", "trainings") with values alone.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    spread = [name for column in table.columns for name in (column, f"{column} low", f"{column} high")]
    writer.writerow([csv_escaped(name) for name in ("fit", "kind", "approach", "run", *spread, *FURTHER, "smoke", "probe", "trainings")])
    end = ["yes" if table.smoke else ""]
    for row in table.rows:
        cells = [part for cell in row.cells for part in _csv_cell(cell)]
        named = list(zip(table.columns, row.cells, strict=True))
        said = ["; ".join(filter(None, (says(column, cell) for column, cell in named))) for says in FURTHER.values()]
        texts = [csv_escaped(text) for text in (row.fit, row.kind, row.approach, row.run)]
        writer.writerow([*texts, *cells, *map(csv_escaped, said), *end, csv_escaped(row.probe), row.trainings])
    for one in table.limits:
        for name in one.lines():
            cells = [part for value in getattr(one, name) for part in (_csv_number(value), "", "")]
            texts = [csv_escaped(text) for text in (one.fit, name, one.approach, "")]
            writer.writerow([*texts, *cells, *[""] * len(FURTHER), *end, csv_escaped(one.probe), ""])
    return file.getvalue()


FURTHER = {  # columns of the CSV that name columns of the table
    "up": lambda column, cell: column if cell.arrow == "up" else "",
    "down": lambda column, cell: column if cell.arrow == "down" else "",
    "gain in one fit only": lambda column, cell: column if cell.one_sided else "",
    "not converged": lambda column, cell: column if cell.unconverged else "",
    "no prediction changed": lambda column, cell: column if cell.unchanged else "",
    "units": lambda column, cell: f"{column}: {cell.unit}" if cell.unit else "",
}


def _csv_number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else ""


def _csv_cell(cell) -> tuple[str, str, str]:
    if cell.value is None:
        return csv_escaped(cell.text), "", ""
    return tuple(f"{one:.4f}" for one in (cell.value, cell.low, cell.high))


def csv_escaped(text: str) -> str:
    """With a leading apostrophe where a spreadsheet would take the text for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
