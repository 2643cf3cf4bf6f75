"""Rows that wait for a partner in another source: set aside, healed by themselves, parked in the end."""

from __future__ import annotations

import pytest

from penstock.errors import DefinitionError
from penstock.runtime.healing import Selection
from penstock.wiring import definitions
from penstock.wiring.local import open_project

CASES = "date,cases\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n"
PIPELINE = """
import penstock as ps

covid = ps.Pipeline(
    "covid",
    trigger=ps.manual(),
    sources={
        "cases": ps.csv(columns={"date": "DATE", "cases": "INTEGER"}),
        "recoveries": ps.csv(columns={"date": "DATE", "country": "VARCHAR"}),
    },
)
covid.sql("american", "SELECT date FROM recoveries WHERE country = 'US'", inputs=["recoveries"], filters=True)
covid.matched("cases", in_="american", on="date", attempts=3)
covid.sql("days", "SELECT * FROM cases JOIN american USING (date)", inputs=["cases", "american"])
covid.load("days", to=ps.lake())
"""


class Place:
    """A project, and what a person would look at."""

    def __init__(self, project, folder):
        self.project, self.folder, self.files = project, folder, 0

    def bring(self, **texts):
        """Bring new files for some sources; returns the run."""
        addresses = []
        for source, text in texts.items():
            self.files += 1
            path = self.folder / f"{source}-{self.files}.csv"
            path.write_text(text)
            addresses.append(self.project.bring("covid", source, path))
        (outcome,) = self.project.run("covid", addresses)
        return outcome.run

    def rejects(self):
        found = self.project.rejects(Selection(pipeline="covid", status=()))
        return sorted((r.line, r.status, r.attempt) for r in found if r.status not in ("superseded", "healed"))

    def healed(self):
        return sorted(r.line for r in self.project.rejects(Selection(pipeline="covid", status=("healed",))))

    def days(self):
        return sorted(row[0] for row in self.project.query("SELECT cases FROM days")[1])


def recoveries(*days, country="US"):
    return "date,country\n" + "".join(f"2020-01-0{day},{country}\n" for day in days)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.penstock]\nproject = "health"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/covid.py").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def place(folder):
    with open_project(folder) as project:
        yield Place(project, folder)


def test_rows_without_a_partner_are_set_aside_and_the_others_loaded(place):
    run = place.bring(cases=CASES, recoveries=recoveries(1) + recoveries(2, country="FR").split("\n", 1)[1])
    assert place.days() == [1]
    assert place.rejects() == [(3, "open", 1), (4, "open", 1)]
    assert run.retries == {"waiting": 2}
    assert run.results[0].reasons == {'Matched "date" in "american"': 2}


def test_they_heal_by_themselves_when_their_partner_comes(place):
    place.bring(cases=CASES, recoveries=recoveries(1))
    run = place.bring(recoveries=recoveries(1, 2))
    assert place.days() == [1, 2]
    assert (place.healed(), place.rejects()) == ([3], [(4, "open", 2)])
    assert run.retries == {"healed": 1, "waiting": 1}


def test_an_attempt_counts_only_when_the_other_source_has_changed(place):
    place.bring(cases=CASES, recoveries=recoveries(1, 2))
    place.bring(cases="date,cases\n2020-01-09,9\n" + CASES.split("\n", 1)[1])
    assert place.rejects() == [(2, "open", 1), (5, "open", 1)]
    place.bring(recoveries=recoveries(2, 1))
    assert place.rejects() == [(2, "open", 2), (5, "open", 2)]


def test_after_the_last_attempt_a_row_is_parked_even_if_its_partner_comes(place):
    place.bring(cases=CASES, recoveries=recoveries(1, 2))
    place.bring(recoveries=recoveries(2, 1))
    run = place.bring(recoveries=recoveries(1, 2, 2))
    assert (place.rejects(), run.retries) == ([(4, "parked", 3)], {"parked": 1})
    place.bring(recoveries=recoveries(1, 2, 3))
    assert (place.days(), place.rejects()) == ([1, 2], [(4, "parked", 3)])


def test_a_person_lets_a_parked_row_begin_again(place):
    place.bring(cases=CASES, recoveries=recoveries(1, 2))
    for days in ((2, 1), (1, 1, 2), (1, 2, 3)):
        place.bring(recoveries=recoveries(*days))
    assert place.rejects() == [(4, "parked", 3)]
    place.project.replay(Selection(pipeline="covid", status=("parked",)))
    assert (place.days(), place.rejects()) == ([1, 2, 3], [])


def test_what_was_corrected_waits_no_more(place):
    place.bring(cases=CASES, recoveries=recoveries(1, 2))
    place.bring(cases=CASES.rsplit("\n", 2)[0] + "\n")
    assert place.rejects() == []


CHAIN = """
import penstock as ps

NAMES = {"clients": ["client"], "portfolios": ["portfolio", "client"], "accounts": ["account", "portfolio"]}
covid = ps.Pipeline(
    "covid",
    trigger=ps.manual(),
    sources={name: ps.csv(columns=dict.fromkeys(columns, "VARCHAR")) for name, columns in NAMES.items()},
)
covid.checks("clients", 'ColumnLength "client" = 1')
covid.matched("accounts", in_="portfolios", on="portfolio")
covid.matched("portfolios", in_="clients", on="client")
for name in NAMES:
    covid.load(name, to=ps.lake())
"""


def test_a_row_that_has_lost_its_partner_is_a_partner_no_more(folder):
    (folder / "pipelines/covid.py").write_text(CHAIN)
    with open_project(folder) as project:
        place = Place(project, folder)
        place.bring(
            clients="client\na\nbad\n",
            portfolios="portfolio,client\np,a\nq,bad\nr,c\n",
            accounts="account,portfolio\n1,p\n2,q\n3,r\n4,none\n5,\n",
        )
        rows = {
            name: len(list(project.query(f"SELECT 1 FROM {name}")[1])) for name in ("clients", "portfolios", "accounts")
        }
        assert rows == {"clients": 1, "portfolios": 1, "accounts": 1}
        place.bring(clients="client\na\nc\n")
        accounts = sorted(row[0] for row in project.query("SELECT account FROM accounts")[1])
        assert accounts == ["1", "3"]


# --- definitions -------------------------------------------------------------------------------------------------


def refused(folder, old, new):
    from penstock.compile.plan import compile_pipeline

    (folder / "pipelines/covid.py").write_text(PIPELINE.replace(old, new))
    with pytest.raises(DefinitionError) as error:
        compile_pipeline(definitions.load(folder)["covid"])
    return str(error.value)


def test_a_match_names_what_exists(folder):
    assert "'americans'" in refused(folder, 'in_="american"', 'in_="americans"')


def test_a_match_looks_at_rows_before_they_are_joined(folder):
    assert "wide step 'days'" in refused(folder, 'matched("cases"', 'matched("days"')


def test_a_match_needs_two_sources(folder):
    assert "compares a source with itself" in refused(folder, 'matched("cases"', 'matched("recoveries"')


def test_matches_that_wait_for_each_other(folder):
    more = 'covid.matched("recoveries", in_="cases", on="date")\ncovid.load('
    assert "wait for each other" in refused(folder, "covid.load(", more)
