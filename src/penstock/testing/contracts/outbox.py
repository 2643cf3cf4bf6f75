"""Messages: decided once for each event, claimed by one sender at a time, kept until a channel took them or refused."""

# ruff: noqa: S101 - assert is the language of tests

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.ledger.port import Ledger
from penstock.model.messages import Message, MessageState
from penstock.testing.clerk import BROKEN, NOW, Clerk

LEASE = timedelta(seconds=60)
SENT, DEAD, WAITING = MessageState.SENT, MessageState.DEAD, MessageState.WAITING


def letter(number: int, channel: str = "team") -> Message:
    """A message about an event."""
    facts = {"rows": {"loaded": number}, "state": "succeeded"}
    return Message(f"{number}/{channel}", channel, f"run {number}", "straße\nпрогон", NOW, facts)


class OutboxContract:
    """An event is told of once, whoever looks, and whatever is killed."""

    @pytest.fixture
    def posted(self, ledger: Ledger) -> Ledger:
        """A ledger with three messages over two channels."""
        assert ledger.note(ledger.noted(), 2, [letter(1), letter(2), letter(2, "boss")])
        return ledger

    def test_nothing_is_told_of_what_happened_before_anybody_wanted_to_know(self, ledger: Ledger) -> None:
        Clerk(ledger).deliver_all("ab")
        told = ledger.events()[-1].sequence
        assert (ledger.noted(), ledger.noted()) == (told, told)
        Clerk(ledger).deliver("leeds")
        assert ledger.noted() == told

    def test_the_same_events_are_decided_once(self, posted: Ledger) -> None:
        assert not posted.note(0, 2, [letter(1), letter(2)])
        assert posted.note(2, 5, [letter(5)])
        assert [item.id for item in posted.messages()] == ["5/team", "2/boss", "2/team", "1/team"]
        assert posted.noted() == 5

    def test_a_message_comes_back_as_it_was_kept(self, posted: Ledger) -> None:
        taken = posted.take_message(NOW, LEASE)
        assert taken is not None
        assert (taken.subject, taken.text, dict(taken.facts)) == (
            "run 1",
            "straße\nпрогон",
            {"rows": {"loaded": 1}, "state": "succeeded"},
        )
        assert (taken.attempt, taken.due, taken.created_at) == (1, NOW + LEASE, NOW)

    def test_each_is_taken_by_one(self, posted: Ledger) -> None:
        taken = [posted.take_message(NOW, LEASE) for _ in range(4)]
        assert [item.id if item else None for item in taken] == ["1/team", "2/team", "2/boss", None]

    def test_a_channel_that_does_not_answer_is_left_out(self, posted: Ledger) -> None:
        taken = [posted.take_message(NOW, LEASE, leaving=["team"]) for _ in range(2)]
        assert [item.id if item else None for item in taken] == ["2/boss", None]

    def test_what_was_taken_and_never_heard_of_again_is_due_after_its_lease(self, posted: Ledger) -> None:
        for _ in range(3):
            posted.take_message(NOW, LEASE)
        again = posted.take_message(NOW + LEASE, LEASE)
        assert again is not None
        assert (again.id, again.attempt) == ("1/team", 2)

    def test_what_was_sent_is_not_sent_again(self, posted: Ledger) -> None:
        posted.take_message(NOW, LEASE)
        posted.message_sent("1/team", 1)
        assert [item.id for item in posted.messages([SENT])] == ["1/team"]
        rest = [posted.take_message(NOW + 9 * LEASE, LEASE) for _ in range(3)]
        assert "1/team" not in [item.id for item in rest if item]

    def test_what_failed_waits_and_then_is_dead(self, posted: Ledger) -> None:
        posted.take_message(NOW, LEASE)
        posted.message_failed("1/team", 1, BROKEN, NOW + 2 * LEASE)
        (waiting,) = [item for item in posted.messages([WAITING]) if item.id == "1/team"]
        assert (waiting.due, waiting.error) == (NOW + 2 * LEASE, BROKEN)
        posted.message_failed("1/team", 1, BROKEN, None)
        (dead,) = posted.messages([DEAD])
        assert (dead.id, dead.due, dead.error) == ("1/team", None, BROKEN)

    def test_the_word_of_an_older_attempt_changes_nothing(self, posted: Ledger) -> None:
        for moment in (NOW, NOW, NOW, NOW + LEASE):
            posted.take_message(moment, LEASE)
        posted.message_sent("1/team", 1)
        posted.message_failed("1/team", 1, BROKEN, None)
        posted.message_sent("9/team", 1)
        assert {item.state for item in posted.messages()} == {WAITING}
        posted.message_sent("1/team", 2)
        assert [item.id for item in posted.messages([SENT])] == ["1/team"]

    def test_a_person_has_the_dead_sent_once_more(self, posted: Ledger) -> None:
        posted.take_message(NOW, LEASE)
        posted.message_failed("1/team", 1, BROKEN, None)
        assert (posted.resend(NOW + LEASE), posted.resend(NOW + LEASE)) == (1, 0)
        assert posted.messages([DEAD]) == []
        taken = posted.take_message(NOW + LEASE, LEASE, leaving=["boss"])
        assert taken is not None
        assert taken.id == "2/team"
