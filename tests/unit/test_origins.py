"""Mistakes in what a source says of where it is fetched from: found when the file is read, with the way out."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.authoring.origins import secrets_of
from penstock.authoring.ssh import SshAddress
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


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("git@git.example:acme/data.git", SshAddress("git.example", "acme/data.git")),
        ("git.example:/srv/data.git", SshAddress("git.example", "/srv/data.git")),
        ("me@[::1]:data.git", SshAddress("::1", "data.git", "me")),
        ("ssh://git.example/srv/data.git", SshAddress("git.example", "/srv/data.git")),
        ("ssh://me@git.example:2222/~/data.git", SshAddress("git.example", "/~/data.git", "me", 2222)),
        ("https://git.example/data.git", None),
        ("file:///srv/data.git", None),
        ("../data:2.git", None),
        ("C:/data.git", None),
    ],
)
def test_addresses_of_ssh(repository, address):
    assert ps.git(repository, "x.csv", FORM).origin.ssh == address


@pytest.mark.parametrize(
    ("repository", "options", "says"),
    [
        ("ssh://git:hunter2@git.example/data.git", {}, "holds a password"),
        ("ssh://-oProxyCommand=x/data.git", {}, "is not usable"),
        ("-oProxyCommand=x@git.example:data.git", {}, "is not usable"),
        ("ssh://git.example", {}, "is not usable"),
        ("git://git.example/data.git", {}, "is not usable"),
        ("git@git.example:data.git", {"password": ps.secret("x")}, "has a password"),
        ("git@git.example:data.git", {"host_key": "github.com ssh-ed25519 AAAA"}, "host_key is not one"),
        ("https://git.example/data.git", {"key": ps.secret("x")}, "has a key"),
        ("https://git.example/data.git", {"host_key": HOST_KEY}, "has a key"),
    ],
)
def test_repositories_that_are_none(repository, options, says):
    with pytest.raises(DefinitionError, match=says) as caught:
        ps.git(repository, "x.csv", FORM, **options)
    assert caught.value.fix
    assert "hunter2" not in str(caught.value.facts())


def test_the_secrets_of_a_repository():
    source = ps.git("git@git.example:data.git", "x.csv", FORM, key=ps.secret("deploy_key"), host_key=HOST_KEY)
    assert secrets_of(source.origin) == ("deploy_key",)
