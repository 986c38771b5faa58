"""The page in a real browser: no request, no error, nothing injected; by mouse, by keys, on a phone, in the dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOSTILE, IMAGE

_WEBGL = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_INSTALL = "no Chromium: apt-get install chromium, or name one in SASA_THEORY_CHROMIUM (and pip install playwright)"


def _chromium() -> str:
    """Where Chromium is; skips where there is none, or fails if the environment demands one."""
    found = os.environ.get("SASA_THEORY_CHROMIUM") or shutil.which("chromium")
    try:
        import playwright  # noqa: F401
    except ImportError:
        found = None
    if not found:
        (pytest.fail if os.environ.get("SASA_THEORY_REQUIRE_BROWSER") == "1" else pytest.skip)(_INSTALL)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = _chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=list(_WEBGL))
        yield opened
        opened.close()


class Visit:
    """A page that is open, every request that it made, and everything that it complained of."""

    def __init__(self, browser: Any, folder: Path, width: int = 1400, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.route("**/*", self._pass)
        self.page.goto((folder / "index.html").as_uri())
        self.page.wait_for_selector("html.ready")

    def _pass(self, route: Any) -> None:
        self.requests.append(route.request.url)
        route.continue_() if route.request.url.startswith("file:") else route.abort()

    def chart(self, element: str) -> Any:
        """Bring a chart into sight and wait until it is drawn."""
        found = self.page.locator(f"#{element}")
        found.scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{element}.drawn")
        return found

    def order(self) -> list[str]:
        """Designs of the first table from top to bottom, as they are shown."""
        return self.page.locator("table.ranking").first.locator("tbody th").all_inner_texts()

    def sorted(self, direction: str) -> list[str]:
        """The same once the table says that it is sorted so."""
        self.page.wait_for_selector(f"table.ranking th[aria-sort={direction}]")
        self.page.wait_for_timeout(100)
        return self.order()


@pytest.fixture
def visit(browser: Any, page: Path) -> Iterator[Visit]:
    found = Visit(browser, page)
    yield found
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith("blob:")] == [(page / "index.html").as_uri()]
    assert found.page.evaluate("window.hacked") is None
    found.page.close()


def test_everything_is_drawn_without_a_request_or_an_error(visit):
    for element in visit.page.locator(".plot").all():
        visit.chart(element.get_attribute("id"))
    assert visit.page.locator("img").count() == 0
    assert IMAGE in visit.page.locator("h1").inner_text()
    legend = visit.page.locator("#scatter .legend")
    for name in HOSTILE:
        assert name in legend.text_content()
    assert legend.locator("image, a, [style*=bold]").count() == 0
    assert visit.page.locator("math").count() == 2


def test_what_is_injected_after_all_does_not_run(visit):
    """The second wall: were something not escaped, the policy would still stop it."""
    visit.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.hacked=1>')")
    visit.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked=1'}))"
    )
    visit.page.wait_for_timeout(100)
    assert visit.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in said for said in visit.complaints)
    visit.complaints.clear()


def test_a_click_on_a_head_sorts_and_typing_filters(visit):
    before = visit.order()
    head = visit.page.locator("table.ranking").first.locator("thead th", has_text="recovery")
    head.click()
    rising = visit.sorted("ascending")
    head.click()
    falling = visit.sorted("descending")
    assert sorted(before) == sorted(rising) == sorted(falling)
    ranked = [name for name in rising if not name.startswith("failed")]
    assert ranked[0] == "random"
    assert next(name for name in falling if not name.startswith("failed")) == "oracle"
    visit.page.get_by_label("Filter designs in theorem").fill("signed")
    assert visit.order() == ["topk/signed"]
    visit.page.get_by_label("Filter designs in theorem").fill("references")  # families are found as well
    assert sorted(visit.order()) == ["oracle", "random"]


def test_axes_are_chosen_freely_and_may_be_logarithmic(visit):
    visit.chart("scatter")
    layout = "document.getElementById('scatter')._fullLayout"
    visit.page.select_option("#controls [name=x]", "training")
    visit.page.select_option("#controls [name=y]", "ev")
    visit.page.check("#controls [name=logx]")
    assert visit.page.evaluate(f"{layout}.xaxis.type") == "log"
    assert visit.page.evaluate(f"{layout}.yaxis.type") == "linear"
    assert visit.page.evaluate(f"{layout}.xaxis.title.text") == "seconds of training (s)"
    assert visit.page.evaluate(f"{layout}.yaxis.title.text").startswith("explained variance")
    assert "Up, explained variance" in visit.page.locator("#axes").inner_text()
    data = "document.getElementById('scatter').data"
    assert visit.page.evaluate(f"{data}[0].error_x.array.length") == visit.page.evaluate(f"{data}[0].x.length")
    visit.page.select_option("#controls [name=by]", "family")
    assert set(visit.page.evaluate(f"{data}.map(trace => trace.name)")) == {"groups", "atoms"}  # truth takes no time
    visit.page.select_option("#controls [name=world]", "theorem")
    means = visit.page.evaluate(f"{data}.reduce((sum, trace) => sum + trace.x.length, 0)")
    visit.page.select_option("#controls [name=seeds]", "each")
    each = visit.page.evaluate(f"{data}.reduce((sum, trace) => sum + trace.x.length, 0)")
    assert each == 5 * means > 0


def test_a_scene_turns_by_key_and_by_button(visit):
    scene = visit.chart("scene-theory")
    assert scene.locator("canvas").count() > 0
    assert visit.page.evaluate("document.getElementById('scene-theory').querySelectorAll('.no-webgl').length") == 0
    eye = "JSON.stringify(document.getElementById('scene-theory')._fullLayout.scene.camera.eye)"
    first = visit.page.evaluate(eye)
    scene.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_function(f"{eye} !== {first!r}")
    second = visit.page.evaluate(eye)
    visit.page.get_by_role("button", name="Turn").first.click()
    visit.page.wait_for_function(f"{eye} !== {second!r}")


def test_the_keyboard_reaches_everything_in_order_with_a_visible_focus(visit):
    visit.page.keyboard.press("Tab")
    focused = "document.activeElement"
    assert visit.page.evaluate(f"{focused}.className") == "skip"
    assert visit.page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("location.hash") == "#main"
    reached = []
    for _ in range(14):
        visit.page.keyboard.press("Tab")
        reached.append(visit.page.evaluate(f"{focused}.tagName + ':' + ({focused}.getAttribute('aria-label') || '')"))
    assert "INPUT:Filter designs in theorem" in reached
    head = visit.page.locator("table.ranking").first.locator("thead th").nth(2)
    head.locator("[tabindex='0']").first.focus()
    visit.page.keyboard.press("Enter")
    ranked = [name for name in visit.sorted("ascending") if not name.startswith("failed")]
    assert ranked[0] == "random"


def test_a_name_leads_to_the_designs_page_and_opens_it(visit):
    visit.page.locator("table.ranking").first.locator("tbody th a", has_text="sasa/paper").click()
    visit.page.wait_for_selector("details.design[open]")
    opened = visit.page.locator("details.design[open]")
    assert opened.count() == 1
    assert "sasa/paper" in opened.locator("summary").first.inner_text()
    assert opened.get_by_text("Nothing: it stands near the truth").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes_follow_the_system_and_can_be_changed(browser, page, scheme):
    visit = Visit(browser, page, scheme=scheme)
    shade = "getComputedStyle(document.body).backgroundColor"
    assert (visit.page.evaluate(shade) == "rgb(255, 255, 255)") == (scheme == "light")
    visit.chart("scatter")
    colour = "document.getElementById('scatter')._fullLayout.font.color"
    before = visit.page.evaluate(shade), visit.page.evaluate(colour)
    visit.page.locator("#theme").click()
    after = visit.page.evaluate(shade), visit.page.evaluate(colour)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert visit.complaints == []
    visit.page.close()


def test_a_phone_never_scrolls_sideways(browser, page):
    visit = Visit(browser, page, width=390)
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for element in ("scatter", "scene-theory"):
        visit.chart(element)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        visit.page.evaluate("document.querySelector('.board .scroll').scrollWidth") > 390
    )  # the table has its own box
    assert visit.complaints == []
    visit.page.close()
