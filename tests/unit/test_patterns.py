"""Event patterns: the cases that EventBridge and Event Ruler document, and what is refused."""

from __future__ import annotations

import time

import pytest

from penstock.authoring.patterns import EventPattern
from penstock.errors import TriggerError

EVENT = {
    "version": "0",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "time": "2017-10-02T16:24:49Z",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
    "detail": {
        "c-count": 5,
        "d-count": 3,
        "x-limit": 301.8,
        "source-ip": "10.0.0.33",
        "instance-id": "i-000000aaaaaa00000",
        "state": "running",
        "nothing": None,
        "empty": "",
        "no": [],
    },
}
EMPLOYEES = {
    "employees": [
        [{"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"}],
        [{"firstName": "Peter", "lastName": "Jones"}],
    ]
}
UPLOAD = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "b"}, "object": {"key": "landing/leeds_01-01-2020.csv", "size": 120}},
}


def detail(name, *entries):
    return {"detail": {name: list(entries)}}


@pytest.mark.parametrize(
    "pattern",
    [
        {
            "detail-type": ["EC2 Instance State-change Notification"],
            "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
            "detail": {"state": ["initializing", "running"]},
        },
        {"time": [{"prefix": "2017-10-02"}]},
        {"source": [{"prefix": {"equals-ignore-case": "AWS"}}]},
        {"source": [{"suffix": "ec2"}]},
        {"source": [{"suffix": {"equals-ignore-case": "EC2"}}]},
        {"source": [{"equals-ignore-case": "AWS.EC2"}]},
        {"source": [{"wildcard": "a*.*2"}]},
        {"source": [{"wildcard": "aws.ec2"}]},
        {"source": [{"wildcard": "*"}]},
        detail("state", {"anything-but": "initializing"}),
        detail("state", {"anything-but": ["stopped", "overloaded"]}),
        detail("state", {"anything-but": {"prefix": "init"}}),
        detail("state", {"anything-but": {"prefix": ["init", "error"]}}),
        detail("instance-id", {"anything-but": {"suffix": ["1234", "6789"]}}),
        detail("state", {"anything-but": {"equals-ignore-case": ["Stopped", "OverLoaded"]}}),
        detail("state", {"anything-but": {"wildcard": "*/bin/*.jar"}}),
        detail("x-limit", {"anything-but": [100, 200, 300]}),
        detail("x-limit", {"anything-but": "301.8"}),
        detail("c-count", {"numeric": [">", 0, "<=", 5]}),
        detail("d-count", {"numeric": ["<", 10]}),
        detail("x-limit", {"numeric": ["=", 3.018e2]}),
        detail("c-count", 5.0),
        detail("source-ip", {"cidr": "10.0.0.0/24"}),
        detail("c-count", {"exists": True}),
        detail("absent", {"exists": False}),
        {"detail": {"absent": {"deeper": [{"exists": False}]}}},
        {"detail": [{"exists": False}]},
        detail("nothing", None),
        detail("nothing", {"exists": True}),
        detail("empty", ""),
        detail("no", {"exists": False}),
        {"detail": {"$or": [{"state": ["stopped"]}, {"c-count": [{"numeric": ["=", 5]}]}]}, "source": ["aws.ec2"]},
        {"$or": [{"source": ["x"], "version": ["0"]}, {"detail": {"$or": [{"a": ["b"]}, {"d-count": [3]}]}}]},
    ],
)
def test_matches(pattern):
    assert EventPattern.parse(pattern).matches(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.s3"]},
        {"source": ["aws"]},
        {"source": ["AWS.EC2"]},
        {"resources": ["arn"]},
        {"source": [{"wildcard": "aws*s3"}]},
        {"source": [{"wildcard": "aws.ec2*2"}]},
        {"source": [{"wildcard": r"aws\*"}]},
        {"source": [{"prefix": "AWS"}]},
        detail("state", {"anything-but": ["running", "stopped"]}),
        detail("state", {"anything-but": {"prefix": "run"}}),
        detail("absent", {"anything-but": "x"}),
        detail("c-count", {"numeric": [">", 5, "<", 9]}),
        detail("c-count", "5"),
        detail("c-count", True),
        detail("state", {"numeric": ["=", 5]}),
        detail("source-ip", {"cidr": "10.0.1.0/24"}),
        detail("source-ip", {"cidr": "2001:db8::/32"}),
        detail("state", {"cidr": "10.0.0.0/24"}),
        detail("c-count", {"exists": False}),
        detail("absent", {"exists": True}),
        {"detail": [{"exists": True}]},
        detail("absent", None),
        detail("nothing", ""),
        {"detail": {"$or": [{"state": ["stopped"]}, {"c-count": [6]}]}},
        {"source": ["aws.ec2"], "detail": {"state": ["stopped"]}},
        {"source": {"inner": ["x"]}},
    ],
)
def test_does_not_match(pattern):
    assert not EventPattern.parse(pattern).matches(EVENT)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"employees": {"firstName": ["Anna"]}}, True),
        ({"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}, True),
        ({"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}, False),
        ({"employees": {"$or": [{"firstName": ["X"]}, {"lastName": ["Doe"]}]}}, True),
        ({"employees": {"middleName": [{"exists": False}]}}, True),
    ],
)
def test_one_element_of_an_array_satisfies_all_nested_fields(pattern, expected):
    assert EventPattern.parse(pattern).matches(EMPLOYEES) is expected


def test_an_upload_is_told_by_its_key():
    pattern = {
        "source": ["aws.s3"],
        "detail": {"bucket": {"name": ["b"]}, "object": {"key": [{"prefix": "landing/"}, {"suffix": ".parquet"}]}},
    }
    assert EventPattern.parse(pattern).matches(UPLOAD)


def test_ipv6_addresses_have_ranges_too():
    pattern = EventPattern.parse({"ip": [{"cidr": "2001:db8::/32"}]})
    assert (pattern.matches({"ip": "2001:db8::1"}), pattern.matches({"ip": "10.0.0.1"})) == (True, False)


def test_escaped_asterisks_are_asterisks():
    pattern = EventPattern.parse({"name": [{"wildcard": r"a\**\\z"}]})
    assert (pattern.matches({"name": r"a*bc\z"}), pattern.matches({"name": r"abc\z"})) == (True, False)


@pytest.mark.parametrize(
    ("pattern", "why", "fix"),
    [
        ({"source": [{"prefx": "a"}]}, "'prefx' is not an operator", "did you mean 'prefix'?"),
        ({"source": [{"anything_but": "a"}]}, "'anything_but' is not an operator", "did you mean 'anything-but'?"),
        ({}, "at least one field", ""),
        ({"detail": {}}, "at least one field", ""),
        ({"source": "aws.s3"}, "wants a list", "['aws.s3']"),
        ({"source": []}, "is empty", ""),
        ({"source": [["a"]]}, "cannot be compared", ""),
        ({"source": [{"prefix": "a", "suffix": "b"}]}, "exactly one operator", ""),
        ({"source": [{}]}, "exactly one operator", ""),
        ({"source": [{"prefix": 5}]}, "takes a text", ""),
        ({"source": [{"prefix": {"suffix": "a"}}]}, "not an operator here", ""),
        ({"n": [{"numeric": ["<"]}]}, "one or two comparisons", ""),
        ({"n": [{"numeric": ["<", "5"]}]}, "is not a comparison", ""),
        ({"n": [{"numeric": ["<>", 5]}]}, "is not a comparison", ""),
        ({"n": [{"numeric": ["<", 5, ">", 1]}]}, "from its lower to its upper", ""),
        ({"n": [{"numeric": [">", 5, "<", 1]}]}, "from its lower to its upper", ""),
        ({"n": [{"exists": "yes"}]}, "true or false", ""),
        ({"ip": [{"cidr": "10.0.0.0/33"}]}, "not a range of addresses", ""),
        ({"s": [{"anything-but": ["a", 1]}]}, "not both", ""),
        ({"s": [{"anything-but": []}]}, "is empty", ""),
        ({"s": [{"anything-but": {"numeric": ["<", 1]}}]}, "cannot be negated", ""),
        ({"s": [{"wildcard": "a**b"}]}, "two wildcards in a row", ""),
        ({"s": [{"wildcard": r"a\b"}]}, "escapes nothing", ""),
        ({"$or": [{"a": ["b"]}]}, "two or more", ""),
        ({"$or": {"a": ["b"]}}, "two or more", ""),
        ({"$or": [{"a": ["b"]}, {}]}, "at least one field", ""),
        ({1: ["a"]}, "not text", ""),
    ],
)
def test_a_malformed_pattern_is_refused(pattern, why, fix):
    with pytest.raises(TriggerError) as caught:
        EventPattern.parse(pattern)
    assert why in caught.value.why
    assert fix in caught.value.fix


def test_an_error_names_the_field():
    with pytest.raises(TriggerError, match=r"at 'detail\.object\.key\.prefix'"):
        EventPattern.parse({"detail": {"object": {"key": [{"prefix": 1}]}}})


def test_the_declared_pattern_is_kept_for_deployment():
    assert EventPattern.parse({"source": ["aws.s3"]}).pattern == {"source": ["aws.s3"]}


def test_hostile_values_are_not_slow():
    pattern = EventPattern.parse({"s": [{"wildcard": "*a*a*a*a*a*a*a*a*b"}]})
    began = time.process_time()
    assert not pattern.matches({"s": "a" * 100_000})
    assert time.process_time() - began < 1
