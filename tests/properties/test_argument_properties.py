"""What must hold of arguments however they are written: Celery's own reading of them says what they do."""

from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.validation.beat_arguments import LONGEST_INTERVAL_S, check_beat_arguments

NAMES = st.lists(st.sampled_from(["beat", "Beat", "BEAT", "max", "loop", "interval", "sync", "EVERY", ".", "_"]))
KNOWN = st.builds(
    lambda words, joints, capital: (
        (str.upper(words[0]) if capital else words[0])
        + "".join(joint + word for joint, word in zip(joints, words[1:], strict=False))
    ),
    st.sampled_from([("beat", "max", "loop", "interval"), ("beat", "sync", "every")]),
    st.lists(st.sampled_from("._"), min_size=3, max_size=3),
    st.booleans(),
)
VALUES = st.builds(
    str.__add__, st.sampled_from(["", "(int)", "(float)"]), st.sampled_from(["0", "1", "900", "901", "3600", "-1", "x"])
)
SETTINGS = st.builds(lambda name, value: f"{name}={value}", st.one_of(KNOWN, NAMES.map("".join)), VALUES)


@given(st.lists(st.one_of(SETTINGS, st.sampled_from(["often", "=1"])), min_size=1, max_size=3))
def test_no_setting_of_beat_undoes_its_command_unnoticed(arguments: list[str]) -> None:
    application = Celery(set_as_current=False)
    try:
        application.config_from_cmdline(["beat.sync_every=1", *arguments])
    except (KeyError, ValueError, IndexError):
        return  # beat doesn't start, and says why
    interval = application.conf.beat_max_loop_interval
    if application.conf.beat_sync_every != 1 or not 0 <= interval <= LONGEST_INTERVAL_S:
        assert list(check_beat_arguments(arguments))
