"""The small pages for people. They load nothing from other hosts."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
li { margin: .4rem 0; }
</style>"""

_LANDING = """<h1>{model}</h1>
<p>Predictions served by Plumbline.</p>
<ul>
<li><a href="docs">API</a>, and the <a href="docs.json">OpenAPI document</a> for generated clients</li>
<li><a href="dashboard">Dashboard</a>: traffic, drift, outcomes and alarms of every live version</li>
<li><a href="metrics">Metrics</a> for Prometheus</li>
<li><a href="models">Models</a> that serve, and the <a href="rollout">rollout plan</a></li>
<li>Probes: <a href="livez">livez</a>, <a href="readyz">readyz</a>, <a href="startupz">startupz</a></li>
</ul>"""

ASSETS = ("/static_content/swagger-ui.css", "/static_content/swagger-ui-bundle.js")
"""What BentoML has for the page of the API."""

_SWAGGER = f"""<link rel="stylesheet" href="{ASSETS[0][1:]}">
<script src="{ASSETS[1][1:]}"></script>"""

_DOCS = """<div id="swagger-ui"></div>
<script>SwaggerUIBundle({url: "docs.json", dom_id: "#swagger-ui", validatorUrl: null});</script>"""


def landing(model: str) -> bytes:
    """The page at `/`."""
    return _PAGE.format(title=escape(model), head=_STYLE, body=_LANDING.format(model=escape(model))).encode()


def api_docs(model: str) -> bytes:
    """The API as a page. Swagger UI comes with BentoML and is served from this host."""
    return _PAGE.format(title=f"{escape(model)} API", head=_SWAGGER, body=_DOCS).encode()
