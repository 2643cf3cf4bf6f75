"""The benchmark's own arithmetic: what it generates, and how it compares."""

from __future__ import annotations

import csv
import sys
from itertools import islice

import pytest
from benchmarks.generate import Shape, deliver, deliver_many, lines
from benchmarks.harness import Bench, Measurement, Task, figures
from benchmarks.report import Goal, ratio


def text(shape):
    return "".join(line.text + "\n" for line in lines(shape))


def test_the_same_shape_gives_the_same_bytes():
    assert text(Shape(500)) == text(Shape(500))


def test_another_seed_gives_other_orders():
    assert text(Shape(500)) != text(Shape(500, seed=8))


def test_good_orders_cost_what_their_baskets_say():
    good = [line for line in lines(Shape(500)) if not line.fault]
    rows = csv.reader(line.text for line in good)
    for line, row in zip(good, rows, strict=True):
        prices = [float(item.rpartition(" - ")[2]) for item in row[3].split(", ")]
        assert round(sum(prices) * 100) == line.order.pence == round(float(row[4]) * 100)


def test_the_census_counts_every_line(tmp_path):
    census = deliver(Shape(2000, bad=0.2), tmp_path).census
    assert census.orders + sum(census.bad.values()) == census.lines == 2000
    assert set(census.bad) == {"date", "negative", "branch", "torn"}


def test_the_whole_twin_has_seven_columns_in_every_line(tmp_path):
    delivery = deliver(Shape(2000, bad=0.2), tmp_path)
    with delivery.whole.open(newline="", encoding="utf-8") as file:
        widths = [len(row) for row in csv.reader(file)]
    assert set(widths) == {7}
    assert len(widths) == 2000 - delivery.census.bad["torn"]


def test_lines_torn_in_quotes_leave_their_quote_open():
    torn = [line for line in lines(Shape(2000, bad=0.2, torn_quotes=True)) if line.fault == "torn_quote"]
    assert any(line.text.count('"') == 1 for line in torn)


def test_small_files_are_one_stream_cut_into_pieces(tmp_path):
    folder = deliver_many(4, 25, tmp_path).folder
    pieces = [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())]
    assert "".join(pieces) == text(Shape(100))


def test_a_file_of_any_size_starts_at_once():
    assert len(list(islice(lines(Shape(10**12)), 3))) == 3


def test_ratios_compare_neighbours_of_the_same_round():
    quiet, busy = [Measurement("base", 0, 1.0), Measurement("it", 0, 4.0)], [Measurement("base", 1, 10.0)]
    assert ratio([*quiet, *busy, Measurement("it", 1, 40.0)], "it", "base") == 4.0


def test_a_wrong_result_takes_part_in_no_ratio():
    assert ratio([Measurement("base", 0, 1.0), Measurement("it", 0, 2.0, wrong="one order")], "it", "base") is None


@pytest.mark.parametrize(("figure", "met"), [(5.0, True), (5.1, False), (None, None)])
def test_a_goal_is_met_up_to_its_limit(figure, met):
    assert Goal("time", figure, 5).met is met


def test_figures_are_the_numbers_of_the_last_line():
    assert figures('{"old": 1}\n{"event": "x", "seconds": {"load": 2.5}}\n') == {"seconds.load": 2.5}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, server=0, sampling=0.005)


def test_a_failing_task_is_wrong(bench):
    done = bench.measure(Task("fails", [sys.executable, "-c", "raise SystemExit(3)"]), 0)
    assert done.wrong == "exit code 3, see fails.0.log"


def test_a_task_over_its_memory_limit_is_killed(bench):
    greedy = "import time; held = bytearray(200_000_000); time.sleep(30)"
    done = bench.measure(Task("greedy", [sys.executable, "-c", greedy], memory_limit=100_000_000), 0)
    assert done.wrong == "killed: over its memory limit"
    assert done.peak > 100_000_000
