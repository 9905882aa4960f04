"""The small pages for people. They load nothing from other hosts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
{head}
</head>
<body>
{body}
</body>
</html>
"""

_COLOURS = """:root {
  color-scheme: light dark;
  --page: #f6f7f8; --surface: #ffffff; --text: #1d2329; --quiet: #5b6672; --line: #dde2e7; --accent: #1f6fb2;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #13171b; --surface: #1b2127; --text: #e4e8ec; --quiet: #9aa6b2; --line: #313a43; --accent: #62aee8; }
}"""
"""Those of the dashboard."""

_STYLE = f"""<style>
{_COLOURS}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; padding: clamp(1.5rem, 6vh, 4rem) 1rem 2rem; max-width: 48rem;
  background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}}
h1 {{ font-size: 1.75rem; margin: 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 1rem; margin: 2rem 0 .5rem; }}
p {{ margin: .25rem 0; }}
.quiet {{ color: var(--quiet); }}
a {{ color: var(--accent); }}
:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 2px; }}
ul {{ list-style: none; margin: 1.5rem 0 0; padding: 0; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }}
li, pre {{ background: var(--surface); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }}
li > a:first-child {{ font-weight: 600; }}
li p {{ font-size: .875rem; }}
pre {{ margin: 0; overflow-x: auto; font-size: .8125rem; line-height: 1.45; }}
</style>"""

_LANDING = """<h1>{model}</h1>
<p class="quiet">Predictions served by Plumbline.</p>
{example}<ul>
<li><a href="docs">API</a><p class="quiet">Try every request in the browser, or generate a client from the
<a href="docs.json">OpenAPI document</a>.</p></li>
<li><a href="dashboard">Dashboard</a>
<p class="quiet">Traffic, drift, outcomes and alarms of every live version.</p></li>
<li><a href="models">Models</a>
<p class="quiet">The versions that serve, and the <a href="rollout">rollout plan</a>.</p></li>
<li><a href="metrics">Metrics</a><p class="quiet">For Prometheus. Probes: <a href="livez">livez</a>,
<a href="readyz">readyz</a>, <a href="startupz">startupz</a>.</p></li>
</ul>"""

_EXAMPLE = """<h2>Ask for a prediction</h2>
<pre tabindex="0"><code id="example">curl -s $URL/predict -H 'Content-Type: application/json' -d '{body}'</code></pre>
<script>
const example = document.getElementById("example");
example.textContent = example.textContent.replace("$URL/", () => new URL(".", location.href).href);
</script>
"""

ASSETS = ("/static_content/swagger-ui.css", "/static_content/swagger-ui-bundle.js")
"""What BentoML has for the page of the API."""

_SWAGGER = f"""<link rel="stylesheet" href="{ASSETS[0][1:]}">
<script src="{ASSETS[1][1:]}"></script>
<style>
body {{ margin: 0; }}
/* Swagger UI knows no dark mode */
@media (prefers-color-scheme: dark) {{
  html {{ background: #13171b; }}
  #swagger-ui {{ filter: invert(.9) hue-rotate(180deg); }}
}}
</style>"""

_DOCS = """<div id="swagger-ui"></div>
<script>
SwaggerUIBundle({
  url: "docs.json", dom_id: "#swagger-ui", validatorUrl: null,
  tryItOutEnabled: true, displayRequestDuration: true, defaultModelsExpandDepth: 0,
});
</script>"""


def landing(model: str, example: dict[str, Any] | None = None) -> bytes:
    """The page at `/`.

    Args:
        model: its name.
        example: the body of a request to /predict that can be tried; None: none is shown.
    """
    quoted = "" if example is None else json.dumps(example, indent=2, ensure_ascii=False).replace("'", "'\\''")
    shown = _EXAMPLE.format(body=escape(quoted, quote=False)) if quoted else ""
    body = _LANDING.format(model=escape(model), example=shown)
    return _PAGE.format(title=escape(model), head=_STYLE, body=body).encode()


def api_docs(model: str) -> bytes:
    """The API as a page. Swagger UI comes with BentoML and is served from this host."""
    return _PAGE.format(title=f"{escape(model)} API", head=_SWAGGER, body=_DOCS).encode()


def example_of(document: bytes) -> dict[str, Any] | None:
    """The example of a body of /predict in an OpenAPI document; None if it has none."""
    try:
        content = json.loads(document)["paths"]["/predict"]["post"]["requestBody"]["content"]
        [example] = content["application/json"]["examples"].values()
    except (KeyError, TypeError, ValueError):
        return None
    value: dict[str, Any] = example["value"]
    return value
