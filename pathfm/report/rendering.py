"""A table of results as Markdown, LaTeX and CSV; whatever comes from names is escaped for each."""

import csv
import io
import re

from pathfm.report.words import DAGGER, DOUBLE_DAGGER, number


def cell_text(cell, signed: bool) -> str:
    """For example `+1.3 [−0.2, +2.8] †`."""
    if cell.value is None:
        return cell.text
    value, low, high = (number(one, signed) for one in (cell.value, cell.low, cell.high))
    return f"{value} [{low}, {high}]" + marks(cell)


def marks(cell) -> str:
    """The signs behind a cell, each after a space."""
    return (f" {DAGGER}" if cell.one_sided else "") + (f" {DOUBLE_DAGGER}" if cell.unconverged else "")


def markdown(table) -> str:
    blocks = []
    for block, title in table.titles.items():
        head = ["", *table.columns]
        lines = [[markdown_escaped(row.label), *(_markdown_cell(cell, row.kind) for cell in row.cells)] for row in table.block(*block)]
        body = ["| " + " | ".join(line) + " |" for line in [list(map(markdown_escaped, head)), *lines]]
        blocks.append("\n".join([f"**{markdown_escaped(title)}**", "", body[0], "| --- |" + " ---: |" * len(table.columns), *body[1:]]))
    blocks.append("\n".join(f"- {markdown_escaped(str(note))}" for note in table.notes))
    return "\n\n".join(blocks) + "\n"


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
        body = [" & ".join(map(latex_escaped, line)) + r" \\" for line in [["", *table.columns], *lines]]
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
    DAGGER: r"$^\dagger$",
    DOUBLE_DAGGER: r"$^\ddagger$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",
    "]": "{]}",
    **{symbol: "\\" + symbol for symbol in "&%$#_{}"},
}


def latex_escaped(text: str) -> str:
    return "".join(LATEX.get(symbol, symbol) for symbol in _one_line(text))


def csv_text(table) -> str:
    """A line per row and, for each column, value, low and high as plain numbers; texts that a spreadsheet would run are quoted."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    spread = [name for column in table.columns for name in (column, f"{column} low", f"{column} high")]
    further = ("gain in one fit only", "smoke", "not converged", "probe")
    writer.writerow([csv_escaped(name) for name in ("fit", "kind", "approach", "run", *spread, *further)])
    for row in table.rows:
        cells = [part for cell in row.cells for part in _csv_cell(cell)]
        one_sided, unconverged = (
            "; ".join(column for column, cell in zip(table.columns, row.cells, strict=True) if getattr(cell, flag))
            for flag in ("one_sided", "unconverged")
        )
        end = [csv_escaped(one_sided), "yes" if table.smoke else "", csv_escaped(unconverged), csv_escaped(row.probe)]
        start = [csv_escaped(text) for text in (row.fit, row.kind, row.approach, row.run)]
        writer.writerow([*start, *cells, *end])
    return file.getvalue()


def _csv_cell(cell) -> tuple[str, str, str]:
    if cell.value is None:
        return csv_escaped(cell.text), "", ""
    return tuple(f"{one:.4f}" for one in (cell.value, cell.low, cell.high))


def csv_escaped(text: str) -> str:
    """With a leading apostrophe where a spreadsheet would take the text for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
