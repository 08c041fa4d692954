"""Moments as Kubernetes writes them."""

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """A moment, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(span: timedelta = timedelta(0)) -> str:
    """The moment that was so long ago by this machine's clock; now, unless a span is given."""
    return stamp(datetime.now(UTC) - span)
