"""Mistakes in what a source says of where it is fetched from: found when the file is read, with the way out."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.authoring.origins import secrets_of
from penstock.errors import DefinitionError

FORM = ps.csv(columns={"id": "BIGINT"})


@pytest.mark.parametrize("name", ["", "Feed Token", "FEED", "9lives", "a-b", "../x", "x" * 65])
def test_a_name_that_no_secret_can_have(name):
    with pytest.raises(DefinitionError, match="cannot name a secret"):
        ps.secret(name)


@pytest.mark.parametrize("form", ["", "Bearer", "{} {}", "{name}"])
def test_a_form_without_a_place_for_the_value(form):
    with pytest.raises(DefinitionError, match="the form"):
        ps.secret("feed", form)


@pytest.mark.parametrize("url", ["ftp://feed.example/x", "feed.example/x", "https://", "http:///x"])
def test_an_address_that_is_none(url):
    with pytest.raises(DefinitionError, match="no address of the web"):
        ps.http(url, FORM)


@pytest.mark.parametrize("url", ["https://me:hunter2@feed.example/x", "https://token@feed.example/x"])
def test_a_password_in_an_address(url):
    with pytest.raises(DefinitionError) as caught:
        ps.http(url, FORM)
    assert "ps.secret" in caught.value.fix
    assert "hunter2" not in str(caught.value.facts())


def test_a_credential_in_a_pipeline_file():
    with pytest.raises(DefinitionError) as caught:
        ps.http("https://feed.example/x", FORM, headers={"Authorization": "Bearer hunter2"})
    assert "hunter2" not in str(caught.value.facts())


def test_secrets_are_named_once_each():
    token = ps.secret("token", "Bearer {}")
    source = ps.http("https://feed.example/x", FORM, headers={"Authorization": token, "X": "y"}, params={"key": token})
    assert secrets_of(source.origin) == ("token",)
    assert secrets_of(ps.git("https://git.example/x.git", "x.csv", FORM).origin) == ()
