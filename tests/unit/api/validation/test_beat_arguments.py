"""Arguments of beat that would make it hang, end or send twice, and what to do instead."""

import pytest

from utilitarian_operator.api.validation.beat_arguments import LONGEST_INTERVAL_S, check_beat_arguments, setting_name


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["--max-interval", "901"], "--max-interval 901: a beat that hasn't woken for 900 s is restarted"),
        (["--max-interval=inf"], "--max-interval inf: a beat that hasn't woken"),
        (["--max-interval=nan"], "--max-interval nan: a beat that hasn't woken"),
        (["--max-interval=-1"], "--max-interval -1: with it beat would never sleep"),
        (["beat.max_loop_interval=3600"], "beat.max_loop_interval 3600: a beat that hasn't woken"),
        (["beat.max_loop_interval=(float)3600"], "a beat that hasn't woken"),
        (["beat.sync_every=5"], "beat.sync_every: beat writes its memory after each task"),
        (["BEAT_SCHEDULER=x"], "use beat.scheduler"),
        (["broker_url=amqp://u:p@h/"], "broker_url: the operator sets it"),
        (["--uid", "0"], "--uid: a container has no right to change its user"),
        (["--help"], "--help: beat would say it and end"),
        (["--config", "x"], "set CELERY_CONFIG_MODULE in env"),
        (["debug"], "debug: it is no option"),
        (["--loglevel="], "--loglevel: it needs a value"),
    ],
    ids=" ".join,
)
def test_what_is_refused(arguments: list[str], says: str) -> None:
    (problem,) = check_beat_arguments(arguments)
    assert problem.path == "spec.beat.extraArgs"
    assert says in problem.remedy
    assert "u:p@h" not in str(problem)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--max-interval", str(LONGEST_INTERVAL_S)],
        ["-lDEBUG", "--loglevel=INFO", "-n", "beat"],
        ["beat.sync_every=1", "beat.max_loop_interval=(float)60"],
        ["--max-interval=soon"],
    ],
    ids=lambda it: " ".join(it) or "none",
)
def test_what_is_right_or_refused_by_celery_itself(arguments: list[str]) -> None:
    assert list(check_beat_arguments(arguments)) == []


def test_a_setting_has_one_name_however_it_is_written() -> None:
    assert {setting_name(it) for it in ("beat.sync_every", "BEAT_SYNC_EVERY", "beat_sync_every")} == {"beat_sync_every"}
