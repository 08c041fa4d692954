"""The words of a `celery` command, read as Celery itself reads them."""

import click
import pytest
from celery.bin.beat import beat
from celery.bin.celery import celery
from celery.bin.worker import worker
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.validation.command_line import BEAT, CELERY, WORKER, Options, read


@pytest.mark.parametrize(
    "command,table",
    [pytest.param(celery, CELERY, id="celery"), pytest.param(beat, BEAT, id="beat"), pytest.param(worker, WORKER)],
)
def test_the_tables_have_what_takes_a_value_in_the_installed_celery(command: click.Command, table: Options) -> None:
    options = [it for it in command.params if isinstance(it, click.Option) and not it.is_flag and not it.count]
    names = {name for it in options for name in it.opts}
    assert {name for name in names if name.startswith("--")} == table.names
    assert {name[1:] for name in names if not name.startswith("--")} == set(table.letters)


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["-B", "-E", "-BE", "-EB", "--beat", "-Q", "-Qbeat", "-n", "beat", "-lINFO", "-EBl", "x"]),
        st.sampled_from(["--queues", "--queues=beat", "--hostname=a", "--hostname", "--without-gossip", "-s", "--"]),
    ),
    max_size=6,
)


@given(WORDS)
def test_a_worker_has_a_beat_inside_exactly_if_click_says_so(words: list[str]) -> None:
    parser = click.Command("worker", params=[it for it in worker.params if isinstance(it, click.Option)])
    try:
        options, _, _ = parser.make_parser(click.Context(parser)).parse_args(list(words))
    except click.UsageError:
        return  # Celery would not start
    assert any(word.option in {"-B", "--beat"} for word in read(words, WORKER)) == bool(options.get("beat"))
