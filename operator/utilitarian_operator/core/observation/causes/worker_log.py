"""What RabbitMQ refused a worker, by the last lines of the worker's log, and what to do about it."""

import re

LONGEST = 300
"""Characters of the sentence that are shown."""

_REFUSAL = re.compile(r"\((?P<code>40[2-6]|50[1-6]|530|541)\) (?P<words>[A-Z]+_[A-Z_]+ - [^\r\n]{1,1000})")
_REMEDIES = (
    (
        r"inequivalent arg",
        "the queue exists with other arguments than the application declares: make them alike, or delete it when empty",
    ),
    (r"timed out", "a task held its message for longer than the broker's consumer_timeout: make that longer"),
    (r"ACCESS_REFUSED - access to", "give the workers' user that right"),
    (r"ACCESS_REFUSED", "correct user or password of the workers' broker URL"),
    (r"NOT_ALLOWED.*vhost", "correct the virtual host of the workers' broker URL, or the rights in it"),
)


def broker_refusal(log: str) -> str:
    """The last refusal in a log with its remedy; empty if there is none.

    Args:
        log: the end of a worker's log, with whatever the application writes there; nothing else of it is returned.
    """
    found = list(_REFUSAL.finditer(log))
    if not found:
        return ""
    said = f"{found[-1]['code']} {found[-1]['words']}".strip()
    remedy = next((f"; {cure}" for pattern, cure in _REMEDIES if re.search(pattern, said)), "")
    return f"the broker refused it: {said[:LONGEST]}{remedy}"
