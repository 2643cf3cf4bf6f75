"""`chart`: what is declared, its numbers, its picture; dashboards as a picture, and for Grafana."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli.lookup import project_of
from penstock.entrypoints.cli.output import Output, encode
from penstock.errors import SetupError, StorageUnavailable, UnknownName, UsageError

if TYPE_CHECKING:
    from penstock.adapters.svg import Plot
    from penstock.authoring.charts import Chart, Dashboard
    from penstock.model.summaries import Answer
    from penstock.wiring.local import Project

THEMES = ("auto", "light", "dark")
PICTURES = (".svg", ".png")
_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")


def arguments_chart(parser: ArgumentParser) -> None:
    """The arguments of `chart`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a chart, or a dashboard")
    parser.add_argument("--day", metavar="DATE", help="the day of a chart that shows one (default: the newest)")
    picture_options(parser)


def picture_options(parser: ArgumentParser) -> None:
    """The options of every picture."""
    parser.add_argument("--out", metavar="FILE", help=".svg or .png; of a dashboard, .json for Grafana")
    parser.add_argument("--theme", choices=THEMES, default="", help="colours (default: of an SVG the reader's choice)")
    parser.add_argument("--size", metavar="WxH", default="", help="pixels, such as 760x400")


def chart(options: Namespace, out: Output) -> int:
    """List charts, print one's numbers, or draw it."""
    with project_of(options) as project:
        if not options.name:
            _list(project, out)
        elif options.out and Path(options.out).suffix == ".json":
            _grafana(project, options, out)
        elif options.name in project.dashboards and not project.has_chart(options.name):
            _dashboard(project, project.dashboards[options.name], options, out)
        else:
            _chart(project, project.chart(options.name), options, out)
    return 0


def _list(project: Project, out: Output) -> None:
    charts = project.charts
    for item in charts:
        out.record({"chart": item.key, "pipeline": item.pipeline, "title": item.title, "kind": item.kind})
    for key, dashboard in project.dashboards.items():
        out.record({"dashboard": key, "title": dashboard.title, "charts": [item.key for item in dashboard.charts]})
    if not charts:
        out.say('no chart is declared yet: pipeline.chart("…", table=…, x=…, y=…)')
        return
    out.table(["chart", "pipeline", "kind", "title"], [[c.key, c.pipeline, c.kind, c.title] for c in charts])
    out.say()
    boards = project.dashboards.items()
    out.table(["dashboard", "charts"], [[key, ", ".join(c.key for c in board.charts)] for key, board in boards])


def _chart(project: Project, item: Chart, options: Namespace, out: Output) -> None:
    from penstock.adapters.svg import plot_of
    from penstock.compile.summaries import day_of

    day = day_of(options.day) if options.day else None
    answer = project.answer(item, day)
    if options.out:
        draw(plot_of(item, answer, day), options, out)
        return
    header = _header(item)
    for row in answer.rows:
        out.record(dict(zip(header, row, strict=True)))
    _numbers(item, answer, day, out)


def _numbers(item: Chart, answer: Answer, day: date | None, out: Output) -> None:
    out.say(out.paint("bold", item.title) + (f"  {item.caption}" if item.caption else ""))
    if answer.rows:
        out.table(_header(item), answer.rows, counts=False)
    else:
        out.say(f"no rows{f' on {day}' if day else ' yet'} in {item.table}")


def _dashboard(project: Project, board: Dashboard, options: Namespace, out: Output) -> None:
    """The numbers of all of its charts, or one picture. The day is that of charts that show one."""
    from penstock.adapters.svg import board_drawn, plot_of
    from penstock.compile.summaries import day_of

    if options.size:
        raise UsageError("a dashboard is as large as its charts", fix=f"penstock chart {board.key} --out FILE")
    asked = day_of(options.day) if options.day else None
    days = {item.key: asked if item.summary.window and item.summary.window.daily else None for item in board.charts}
    answers = [(item, project.answer(item, days[item.key]), days[item.key]) for item in board.charts]
    if options.out:
        file, theme = _picture(options)
        panels = [(plot_of(item, answer, day), item.width) for item, answer, day in answers]
        _keep(file, board_drawn(board.title, panels, theme=theme), board.title, out)
        return
    for item, answer, day in answers:
        for row in answer.rows:
            out.record({"chart": item.key, **dict(zip(_header(item), row, strict=True))})
        _numbers(item, answer, day, out)
        out.say()


def _header(item: Chart) -> list[str]:
    if item.columns:
        return [*(name for name, _ in item.columns), *([item.by] if item.by else [])]
    return [*(group.column for group in item.summary.groups), *(series.label for series in item.y)]


def _grafana(project: Project, options: Namespace, out: Output) -> None:
    from penstock.adapters.grafana import dashboard_json

    board = _board(project, options.name)
    board = board.of(*(_in_postgres(project, item) for item in board.charts))
    write(Path(options.out), (encode(dashboard_json(board)) + "\n").encode())
    out.say(f"{out.mark('good')} {options.out}: {len(board.charts)} panels for Grafana")
    out.event("dashboard_written", dashboard=board.key, file=options.out, panels=len(board.charts))


def _board(project: Project, name: str) -> Dashboard:
    boards = project.dashboards
    if name not in boards:
        raise UnknownName.among("dashboard", name, boards)
    return boards[name]


def _in_postgres(project: Project, item: Chart) -> Chart:
    """The chart of the table as it is in PostgreSQL, which Grafana can read."""
    plan = project.plans[item.pipeline]
    targets = next(table.targets for table in plan.tables if table.spec.name == item.table)
    chosen = [target for target in (item.target, *targets) if target is not None and target.kind == "postgres"]
    if not chosen:
        raise UsageError(
            f"the chart {item.title!r} is of a table that only the lake has",
            why="Grafana reads tables of PostgreSQL",
            fix=f'load {item.table!r} to=[ps.lake(), ps.postgres("warehouse")]',
        )
    return replace(item, target=chosen[0])


def draw(plot: Plot, options: Namespace, out: Output) -> None:
    """Write the picture that was asked for."""
    from penstock.adapters.svg import drawn

    file, theme = _picture(options)
    width, height = _size(options.size)
    _keep(file, drawn(plot, theme=theme, width=width, height=height), plot.title, out)


def _picture(options: Namespace) -> tuple[Path, Any]:
    """The picture's file and its colours."""
    file = Path(options.out)
    if file.suffix not in PICTURES:
        raise UsageError(f"{file.name!r} is no picture's name", fix="--out FILE.svg or --out FILE.png")
    theme = options.theme or ("auto" if file.suffix == ".svg" else "light")
    if theme == "auto" and file.suffix == ".png":
        raise UsageError("a PNG has one set of colours", fix="--theme light or --theme dark")
    return file, theme


def _keep(file: Path, picture: str, title: str, out: Output) -> None:
    from penstock.adapters.svg import png

    write(file, picture.encode() if file.suffix == ".svg" else png(picture))
    out.say(f"{out.mark('good')} {file}")
    out.event("chart_drawn", title=title, file=str(file))


def write(file: Path, data: bytes) -> None:
    """Write a file that a person named. Raises errors of ours."""
    try:
        file.write_bytes(data)
    except FileNotFoundError as error:
        raise SetupError(f"there is no folder {str(file.parent)!r}", fix=f"mkdir -p {file.parent}") from error
    except OSError as error:
        raise StorageUnavailable("the file cannot be written", at=str(file), why=error.strerror or "") from error


def _size(text: str) -> tuple[int, int]:
    from penstock.adapters.svg.drawing import HEIGHT, WIDTH

    if not text:
        return WIDTH, HEIGHT
    match = _SIZE.fullmatch(text)
    if not match or int(match[1]) < 200 or int(match[2]) < 120:
        raise UsageError(f"--size {text!r} is no size", fix="from 200x120 to 9999x9999, such as 760x400")
    return int(match[1]), int(match[2])
