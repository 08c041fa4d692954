"""What may be secret goes, wherever it stands; what support needs stays."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.cli.hands.redaction import GONE, plain, plain_log, redacted, without_values_of

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
    "the end of a log": lambda _, password: {
        "containerStatuses": [{"lastState": {"terminated": {"reason": "Error", "message": f"it was {password}"}}}]
    },
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
        f'{{"said": "{{\\"password\\": \\"{WORD}\\"}}"}}',
        f'{{"said": "{{\\"password\\": \\"a b {WORD}\\", \\"c\\": 1}}"}}',
        f'{{"password": "a\\"b {WORD}"}}',
        f"password=a,b;c&{WORD}",
        f"RABBITMQ_DEFAULT_PASS={WORD}",
        f"passphrase: {WORD}",
        f"AWS_ACCESS_KEY={WORD}",
        f"SENTRY_DSN=https://{WORD}.example/1",
        f"https://a.blob.core.windows.net/c?sv=1&sig={WORD}",
        f"https://s3/b?X-Amz-Signature={WORD}",
        f"https://hooks.slack.com/services/T0/B0/{WORD}",
        f"https://r/?to=amqp%3A%2F%2Fuser%3A{WORD}%40rabbit",
        f'{{"url":"amqp:\\/\\/user:{WORD}@rabbit"}}',
        f"ghp_{WORD * 4}",
        f"redis-cli --password {WORD} ping",
        f"mysql --db-password '{WORD} a'",
        f'exec ["login", "--password", "{WORD}"]',
        f'{{"said": "[\\"--password\\", \\"{WORD}\\"]"}}',
        f"('password', '{WORD}')",
        f"('password', b'{WORD}')",
        f"password:\n  {WORD}",
        f"password: |-\n\n  {WORD}",
        f"password=\u2028{WORD}",
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
        "its author: somebody; passed: 5; the design: a",
        "Terminated: the pass is over",
        "started with --concurrency 4 --queues a,b",
        "the password was changed, 'utilitarian-env' is read again",
    ],
)
def test_a_sentence_without_a_secret_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("part", ["a", "-", "eyJ.", "://", "password=", "-token ", "'token',", '\\"', "password \n"])
def test_a_long_text_takes_no_more_than_it_must(part: str) -> None:
    """Each letter of a long word was looked at from each before it: a report took minutes for one line of a log."""
    before = time.process_time()
    plain_log(part * (50_000 // len(part)))
    assert time.process_time() - before < 5


VALUE = "correct-horse"
HOLDERS: dict[str, Any] = {
    "a variable": {"env": [{"name": "A", "value": VALUE}]},
    "variables as an object": {"env": {"A": VALUE}},
    "a word of a command": {"worker": {"commandPrefix": ["sh", "-c", f"login {VALUE}"]}},
    "an option": {"worker": {"extraArgs": [f"--app-key={VALUE}"]}},
    "a volume": {"volumes": [{"csi": {"volumeAttributes": {"a": VALUE}}}]},
    "a template": {"pod": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": VALUE}]}]}}}},
    "lines": {"env": [{"name": "A", "value": f"first line\n{VALUE}\nlast line"}]},
}


@pytest.mark.parametrize("spec", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("said", ["lost {}", '{{"note": "{}"}}', "a={}&b", "'{}'"])
def test_what_an_object_hides_is_taken_out_of_what_others_say(spec: Any, said: str) -> None:
    """An event of a hook that failed has the hook's words in it."""
    clean = without_values_of([{"metadata": {"name": "a"}, "spec": spec, "status": {"message": said.format(VALUE)}}])
    assert VALUE not in clean(said.format(VALUE))
    assert clean("the same as before") == "the same as before"


def test_names_and_what_stands_elsewhere_too_is_not_taken_out() -> None:
    env = [
        {"name": "QUEUE_OF_MINE", "value": "utilitarian.tasks"},
        {"name": "B", "value": "short"},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "a-secret-of-mine", "key": "the-key-in-it"}}},
    ]
    it = {"metadata": {"name": "a"}, "spec": {"env": env, "pools": [{"queues": ["utilitarian.tasks"]}]}}
    said = "QUEUE_OF_MINE utilitarian.tasks short a-secret-of-mine the-key-in-it"
    assert without_values_of([it])(said) == said
    assert without_values_of([])(said) == said
