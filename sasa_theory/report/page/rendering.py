"""From what is to be shown to one HTML file that needs nothing else, and that runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from .writing import MARK

_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)
_DATA = re.compile(r'type="(?:application/json|text/plain)"')
_POLICY = "<!-- content security policy -->"


def render(**shown: Any) -> str:
    """The page.

    All text is escaped; data for scripts is JSON in which nothing can end a script. A content security policy lets no
    script run whose digest it does not name, and lets nothing be fetched.

    Parameters
    ----------
    **shown
        What the template ``page.html.j2`` asks for.
    """
    page = _environment().get_template("page.html.j2").render(**shown, **_assets(), mark=Markup(MARK))
    return page.replace(_POLICY, _policy(page), 1)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sasa_theory.report.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    # a NaN would be no JSON and stop the page's scripts
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _assets() -> Mapping[str, Markup]:
    """Scripts and styles, of this package and of the two libraries that draw and sort."""
    static, library = files("sasa_theory.report.page") / "static", files("itables") / "html"
    return {
        "css": Markup((library / "dt_bundle.css").read_text() + (static / "page.css").read_text()),
        "js": Markup((static / "page.js").read_text()),
        "plotly": Markup(_inside_script(get_plotlyjs())),
        # a module, which can be had from a script only under an address of its own
        "datatables": Markup(base64.b64encode((library / "dt_bundle.js").read_bytes()).decode()),
    }


def _inside_script(text: str) -> str:
    """JavaScript in which no text ends the script element; in its strings a slash may be escaped."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(page: str) -> str:
    """The element that names the scripts that may run."""
    scripts = [m["text"] for m in _SCRIPT.finditer(page) if not _DATA.search(m["attributes"])]
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    rules = f"default-src 'none'; script-src {digests} blob:; style-src 'unsafe-inline'; img-src data: blob:"
    return f"<meta http-equiv=\"Content-Security-Policy\" content=\"{rules}; base-uri 'none'; form-action 'none'\">"
