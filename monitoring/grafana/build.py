"""`python -m monitoring.grafana.build` writes plumbline.json, the dashboard to import into Grafana (`make grafana`).

Needs grafana-foundation-sdk, which is installed for development only; nothing of the service imports this module.
"""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.bargauge import Panel as BarPanel
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.builders.dashboard import Row as RowBuilder
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as LinePanel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

from monitoring.grafana.panels import ROWS, Panel, Query

FILE = Path(__file__).parent / "plumbline.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 8, 8  # of a panel, in Grafana's grid of 24 columns


def build() -> str:
    """The dashboard as JSON, with a line end."""
    dashboard = (
        Dashboard("Plumbline")
        .uid("plumbline")
        .description("Traffic, latency, versions, drift and outcomes of the models that Plumbline serves")
        .tags(["plumbline"])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(DatasourceVariable("datasource").label("Source").type("prometheus"))
        .with_variable(_variable("model", "label_values(plumbline_requests_total, model)"))
        .with_variable(
            _variable("version", 'label_values(plumbline_predictions_total{model="$model"}, version)')
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    )
    for row in ROWS:
        dashboard = dashboard.with_row(RowBuilder(row.title))
        for panel in row.panels:
            dashboard = dashboard.with_panel(_bars(panel) if panel.style == "bars" else _lines(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(dashboard.build()) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(build())


def _variable(name: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _lines(panel: Panel) -> LinePanel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    built = LinePanel().title(panel.title).description(panel.text).unit(panel.unit).datasource(SOURCE)
    built = built.span(WIDTH).height(HEIGHT).legend(legend.show_legend(True))
    if panel.style == "stack":
        built = built.stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    for number, query in enumerate(panel.queries):
        built = built.with_target(_query(number, query))
    return built


def _bars(panel: Panel) -> BarPanel:
    built = BarPanel().title(panel.title).description(panel.text).unit(panel.unit).datasource(SOURCE)
    built = built.span(WIDTH).height(HEIGHT).orientation(VizOrientation.HORIZONTAL)
    built = built.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).min(0)
    for number, query in enumerate(panel.queries):
        built = built.with_target(_query(number, query).instant())
    return built


def _query(number: int, query: Query) -> Dataquery:
    return Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + number))


if __name__ == "__main__":
    main()
