"""The page as a reader has it, in headless Chromium: no complaint, no request, wide and narrow, light and dark, by keyboard alone.

Skipped where no Chromium is installed (Debian: `apt-get install chromium`).
"""

import numpy as np
import pytest

from pathfm.report import plots
from pathfm.report.page import write_report
from tests.browser import BASH, CHROMIUM, browser
from tests.evaluation_folders import add_tiles, write_runs

pytestmark = pytest.mark.skipif(not (CHROMIUM and BASH), reason="no Chromium is installed")

SIZES = [(width, dark) for width in (1280, 390) for dark in (False, True)]
CONTRAST = """(() => {
  const light = text => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(getComputedStyle(document.documentElement).backgroundColor);
  const names = ["body", ".under", "figcaption", ".interval", ".up .value", "footer"];
  const inks = names.map(name => light(getComputedStyle(document.querySelector(name)).color));
  return Math.min(...inks.map(ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)));
})()"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plots, "tsne", lambda vectors: vectors[:, :2].astype(float))  # it takes seconds and is tested elsewhere
        runs = write_runs(tmp_path_factory.mktemp("runs"))
        for number, folder in enumerate(runs):
            add_tiles(folder, np.random.default_rng(number).normal(size=(40, 8)), cancer="a cancer type with a long name" if number else "")
        write_report(runs, out)
    return out / "report.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_nothing_is_complained_of_or_asked_for_and_nothing_sticks_out(page, report, width, dark):
    page.show(report, width, dark)
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value("[...document.querySelectorAll('svg')].every(one => one.getBoundingClientRect().right <= innerWidth)")
    assert page.value(CONTRAST) > 4.5  # WCAG 2.2, level AA
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [report.resolve().as_uri()]


def test_what_a_page_asks_for_or_complains_of_would_be_seen(page, tmp_path):
    other = tmp_path / "other.html"
    other.write_text("<img src='http://example.invalid/x.png'><script>console.log(1); missing()</script>", encoding="utf-8")
    page.show(other, 390)
    assert "http://example.invalid/x.png" in page.requests and len(page.complaints) >= 2


def test_the_colouring_is_chosen_with_tab_and_arrows(page, report):
    page.show(report, 1280)
    shown = "[...document.querySelectorAll('.option')].filter(one => one.offsetHeight).map(one => one.getAttribute('aria-label'))"
    assert page.value(shown) == ["Coloured by cancer type"]
    page.value("document.querySelector('.choice').scrollIntoView()")
    tabbed_to(page, "choice-Embeddings-1")
    page.press("ArrowRight")
    assert page.value(shown) == ["Coloured by TP53"]
    page.press("ArrowRight", 4)
    assert page.value(shown) == ["Coloured by patient"]


def test_a_gene_is_named_with_tab_and_arrows_and_where_the_mouse_points(page, report):
    page.show(report, 390)
    tips = "[...document.querySelectorAll('.tip')].filter(one => one.offsetHeight).map(one => one.textContent)"
    names = page.value("[...document.querySelector('.points').querySelectorAll('input')].map(one => one.getAttribute('aria-label'))")
    assert page.value(tips) == []
    first = page.value("document.querySelector('.points input').name")
    tabbed_to(page, first)
    assert page.value(tips) == names[:1]
    page.press("ArrowDown")
    assert page.value(tips) == names[1:2]
    other = "document.querySelectorAll('.points input')[7]"
    page.value(f"{other}.scrollIntoView({{block: 'center'}})")
    x, y = (page.value(f"{other}.getBoundingClientRect().{side}") + 6 for side in "xy")
    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    pointed = page.value("document.querySelector('.points input:hover').getAttribute('aria-label')")
    assert page.value(tips) == [pointed] and pointed in names[2:]


def test_tiles_are_drawn_stay_on_a_phone_and_the_other_runs_open_by_keyboard(page, report):
    page.show(report, 390)
    pictures = "[...document.querySelectorAll('details[open] .tile img')]"
    assert page.value(f"{pictures}.length") > 60
    assert page.value(f"{pictures}.every(one => one.complete && one.naturalWidth > 0 && one.getBoundingClientRect().right <= innerWidth)")
    opened = "[...document.querySelectorAll('.gallery')].map(one => one.open)"
    assert page.value(opened) == [True, False]
    page.value("document.querySelectorAll('.gallery summary')[1].focus()")
    page.press(" ")
    assert page.value(opened) == [True, True]


def tabbed_to(page, name: str) -> None:
    """Presses Tab until what has this id or name is reached."""
    for _ in range(60):
        page.press("Tab")
        if name in page.value("[document.activeElement.id, document.activeElement.name]"):
            return
    raise AssertionError(f"Tab does not reach {name}")
