"""What a pipeline shows of its tables: endpoints and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.authoring import endpoints as serving
from penstock.authoring.charts import Chart, Dashboard, Series, chart_of
from penstock.authoring.endpoints import Endpoint
from penstock.authoring.place import Located, here
from penstock.authoring.tables import Loading, Target
from penstock.errors import DefinitionError, nearest
from penstock.model.summaries import Group


class Showing:
    """The part of a pipeline that readers see."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoints: list[Endpoint] = []
        self.charts: list[Chart] = []
        self.dashboards: list[Dashboard] = []
        """Those of its file, when it is the first pipeline there."""

    def endpoint(
        self,
        path: str,
        *,
        table: str,
        columns: Sequence[str] | Mapping[str, str],
        parameters: Mapping[str, Any] | None = None,
        order: str | Sequence[str] = (),
        limit: int = 100,
        destination: Target | None = None,
        public: bool = False,
        rate: str = "600/minute",
        summary: str = "",
    ) -> None:
        """Serve a table's rows over HTTP: `GET /get?user=foo` gives those whose column `user` is `foo`.

        `columns` are shown under their own names, or as a mapping of shown name to column. `parameters` maps names to
        types (`str | None` may be left out). `order` names columns, with a minus sign for downwards; `limit` is the
        size of a page. The rows come from `destination`, one of the table's (the first, when it is not named). Without
        `public=True` a request needs an API key; `rate` is how often one asker may ask.
        """
        place = here()
        with Located(self.name, place):
            shown = serving.columns_of(columns)
            wanted, sort = serving.parameters_of(parameters or {}, shown), serving.sort_of(order, shown)
            endpoint = Endpoint(
                serving.checked_path(path), self.name, table, destination, wanted, shown, sort,
                serving.limit_of(limit), public, serving.rate_of(rate), summary, place,
            )  # fmt: skip
            serving.distinct((*self.endpoints, endpoint))
            self.endpoints.append(endpoint)

    def chart(
        self,
        title: str,
        *,
        table: str,
        kind: str = "line",
        x: Group | str = "",
        y: Series | Sequence[Series] | str = (),
        by: str = "",
        columns: Sequence[str] | Mapping[str, str] = (),
        where: Mapping[str, object] | None = None,
        tz: str = "",
        span: str = "all",
        between: tuple[str, str] | None = None,
        at: str = "",
        order: str | Sequence[str] = (),
        limit: int = 5000,
        unit: str = "",
        caption: str = "",
        width: int = 6,
        destination: Target | None = None,
    ) -> Chart:
        """Declare a chart of a table: `chart("Revenue by hour", table="orders", x=ps.hour("ordered_at"),
        y=ps.sum("total"), kind="bar")`.

        Kinds: `line`, `area`, `bar`, `stacked`, `scatter` (`x` and `y` name columns), `table` (`columns`, or `x` and
        `y`), `number` (`y` alone). `by` makes a series of each of a column's values. `where` maps columns to values
        that they must equal. `tz` is the zone that instants are shown in. `span="day"` shows one day, the newest
        unless a reader names another; `between` a part of each day; `at` names the column of times where `x` does not.
        """
        place = here()
        with Located(self.name, place):
            options = {
                "by": by, "columns": columns, "where": where or {}, "tz": tz, "span": span, "between": between,
                "at": at, "order": order, "limit": limit, "unit": unit, "caption": caption, "width": width,
                "destination": destination,
            }  # fmt: skip
            chart = chart_of(self.name, title, table, kind, x, y, options, place)
            if any(known.key == chart.key for known in self.charts):
                raise DefinitionError(f"chart {title!r} is declared twice", fix="give one of them another title")
            self.charts.append(chart)
        return chart

    def check_shown(self, loadings: Sequence[Loading]) -> None:
        """What is shown is among what is loaded. Raises `DefinitionError`."""
        for endpoint in self.endpoints:
            self._check_read(f"endpoint {endpoint.path!r}", endpoint, loadings)
        for chart in self.charts:
            self._check_read(f"chart {chart.title!r}", chart, loadings)

    def _check_read(self, who: str, reader: Endpoint | Chart, loadings: Sequence[Loading]) -> None:
        loading = next((item for item in loadings if item.table == reader.table), None)
        if loading is None:
            raise DefinitionError(
                f"pipeline {self.name!r}: {who} reads the unknown table {reader.table!r}",
                at=str(reader.place),
                fix=nearest(reader.table, [item.table for item in loadings]),
            )
        if reader.target is not None and reader.target not in loading.to:
            raise DefinitionError(
                f"pipeline {self.name!r}: {who} reads where {reader.table!r} is not loaded to",
                at=str(reader.place),
                fix="name one of the table's destinations, or leave destination out",
            )
