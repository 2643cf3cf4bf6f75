"""Charts of a project: found by name, asked of the tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from penstock.authoring.charts import Chart, Dashboard
from penstock.errors import UnknownName, UsageError
from penstock.model.summaries import Answer
from penstock.wiring.parts import Parts


class Charting(Parts):
    """What a project can draw."""

    @property
    def charts(self) -> list[Chart]:
        """Every declared chart."""
        return [chart for pipeline in self.pipelines.values() for chart in pipeline.charts]

    @property
    def dashboards(self) -> dict[str, Dashboard]:
        """The declared dashboards by key; a pipeline whose charts stand on none of them has one of its own."""
        found = {item.key: item for pipeline in self.pipelines.values() for item in pipeline.dashboards}
        shown = {id(chart) for dashboard in found.values() for chart in dashboard.charts}
        for name, pipeline in self.pipelines.items():
            rest = [chart for chart in pipeline.charts if id(chart) not in shown]
            if rest and name not in found:
                found[name] = Dashboard(name, *rest)
        return found

    def chart(self, name: str) -> Chart:
        """A chart by its key, or by pipeline and key: `taxis/available`. Raises `UnknownName`."""
        pipeline, _, key = name.rpartition("/")
        found = [chart for chart in self.charts if chart.key == key and pipeline in ("", chart.pipeline)]
        if not found:
            known = [chart.key for chart in self.charts] + [f"{chart.pipeline}/{chart.key}" for chart in self.charts]
            known += self.dashboards
            raise UnknownName.among("chart", name, known)
        if len(found) > 1:
            fix = ", ".join(f"{chart.pipeline}/{chart.key}" for chart in found)
            raise UsageError(f"{len(found)} charts are named {name!r}", fix=fix)
        return found[0]

    def has_chart(self, name: str) -> bool:
        """Whether a chart has this key."""
        return any(name in (chart.key, f"{chart.pipeline}/{chart.key}") for chart in self.charts)

    def answer(self, chart: Chart, day: date | None = None) -> Answer:
        """A chart's numbers as they are now, of the given day where the chart shows one. Raises `UsageError`."""
        window = chart.summary.window
        if day is not None and (window is None or not window.daily):
            raise UsageError(f"the chart {chart.title!r} does not show one day", fix='span="day" in its declaration')
        summary = chart.summary
        if window is not None and day is not None:
            summary = replace(summary, window=replace(window, day=day))
        plan = self.plans[chart.pipeline]
        targets = next(table.targets for table in plan.tables if table.spec.name == chart.table)
        target = chart.target or targets[0]
        return self.destinations[f"{target.kind}:{target.name}"].summarize(summary)
