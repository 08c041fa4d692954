"""What may be secret goes, wherever it stands; what support needs stays."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.cli.hands.redaction import GONE, plain, plain_log, redacted

WORD = "geheim"
AROUND = st.text("a0,;:/?#@%[]()<>&=+ \\'\"`{}|^~!$*._-ä\t\n", max_size=6)
PASSWORDS = st.builds(lambda before, after: f"{before}{WORD}{after}", AROUND, AROUND)

PLACES: dict[str, Any] = {
    "a variable": lambda url, password: {"env": [{"name": "A", "value": password}, {"name": "B", "value": url}]},
    "variables as an object": lambda _, password: {"env": {"A": password}},
    "the broker's parts": lambda _, password: {
        "broker": {"from": {"host": "r", "username": "u", "password": password}}
    },
    "words of a command": lambda url, password: {
        "worker": {"extraArgs": ["-b", url], "commandPrefix": ["sh", password]}
    },
    "a container": lambda url, password: {"containers": [{"command": [password], "args": ["x", url]}]},
    "a pod's template": lambda _, password: {"pod": {"template": {"spec": {"hostname": password}}}},
    "what was applied": lambda url, _: {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": url}},
    "an annotation of ours": lambda url, _: {"annotations": {"utilitarian.io/paused": url}},
    "a volume": lambda _, password: {"volumes": [{"csi": {"driver": "d", "volumeAttributes": {"a": password}}}]},
    "a probe": lambda _, password: {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": password}]}},
    "a field of that name": lambda _, password: {"apiToken": password, "dbPassword": password},
    "a message": lambda url, _: {"message": f"the broker {url} does not answer"},
}


def around(place: Any, password: str) -> Any:
    return place(f"amqp://user:{password}@rabbit:5672/vhost", password)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_password_goes(place: Any) -> None:
    assert WORD not in json.dumps(redacted({"spec": around(place, WORD)}), ensure_ascii=False)


@settings(max_examples=examples(100), deadline=None)
@given(password=PASSWORDS, place=st.sampled_from(list(PLACES.values())))
@example(password=f"a/b@{WORD}", place=PLACES["a message"])
def test_a_password_goes_whatever_it_is_made_of(password: str, place: Any) -> None:
    assert WORD not in json.dumps(redacted({"spec": around(place, password)}), ensure_ascii=False)


def test_what_support_needs_stays() -> None:
    kept = {
        "image": "quay.io/pwit/utilitarian:2026.11",
        "broker": {"urlFrom": {"secretKeyRef": {"name": "utilitarian-env", "key": "CELERY_BROKER_URL"}}},
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "pools": [{"name": "a", "queues": ["q"], "scaling": {"max": 5, "drainWithin": "10m"}, "priority": 50}],
        "status": {"conditions": [{"type": "Ready", "status": "True", "message": "pool a: max is 5, 9 are needed"}]},
        "annotations": {"utilitarian.io/override.a": "5 until 2026-11-24T12:00:00Z"},
    }
    assert redacted(kept) == kept
    assert redacted({"env": [{"name": "A", "value": "b"}]}) == {"env": [{"name": "A", "value": GONE}]}


@pytest.mark.parametrize(
    "line",
    [
        f"connect amqp://user:{WORD}@rabbit:5672/ failed",
        f"cut amqps://user:{WORD}",
        f"PASSWORD={WORD}",
        f'{{"password": "{WORD} more"}}',
        f"--broker-password {WORD}=".replace(" ", "="),
        f"Authorization: Bearer {WORD}.{WORD}",
        f"a bearer {WORD}{WORD}",
        f"api_key: '{WORD}'",
        f"https://r/?access_token={WORD}&a=b",
        f"eyJhbGciOi.{WORD}.{WORD}",
        f"-----BEGIN PRIVATE KEY-----\n{WORD}\n-----END PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{WORD}",
    ],
)
def test_a_line_of_a_log(line: str) -> None:
    assert WORD not in plain_log(f"first\n{line}")
    assert plain_log(f"first\n{line}").startswith("first\n")


@pytest.mark.parametrize(
    "text",
    [
        "celery@utilitarian-a-7d does not answer",
        "amqp://rabbit:5672/vhost answers",
        "pool a: 20,000 tasks of 5 s, to be started within 10m",
        "the Secret utilitarian-env has no key CELERY_BROKER_URL",
    ],
)
def test_a_sentence_without_a_secret_stays(text: str) -> None:
    assert plain(text) == text
