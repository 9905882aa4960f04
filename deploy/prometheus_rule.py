"""`python -m deploy.prometheus_rule` writes the PrometheusRule of deploy/kubernetes (`make prometheus-rule`).

The rules and alerts stand once, in monitoring/prometheus; the Prometheus operator wants the same groups in a resource
of its own kind.
"""

from __future__ import annotations

from typing import Any

import yaml

from deploy.code_version import ROOT

SOURCES = ("rules.yml", "alerts.yml")
FILE = ROOT / "deploy" / "kubernetes" / "components" / "prometheus" / "prometheus-rule.yaml"

HEAD = "# Written by `make prometheus-rule` from monitoring/prometheus; change it there.\n"


def groups() -> list[dict[str, Any]]:
    """Every group of recording rules and alerts, in the order of the files."""
    documents = [yaml.safe_load((ROOT / "monitoring" / "prometheus" / name).read_text()) for name in SOURCES]
    return [group for document in documents for group in document["groups"]]


def build() -> str:
    """The resource as YAML, with a line end."""
    labels = {"app.kubernetes.io/name": "plumbline", "app.kubernetes.io/part-of": "plumbline"}
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "plumbline", "labels": labels},
        "spec": {"groups": groups()},
    }
    return HEAD + yaml.dump(resource, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Keeps the lines of longer queries apart."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def main() -> None:
    """Write the file."""
    FILE.write_text(build())


if __name__ == "__main__":
    main()
