"""Traces, where they are switched on: spans go to an OpenTelemetry collector, by OTLP over HTTP."""

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from utilitarian_operator import __version__
from utilitarian_operator.adapters.spans import NONE, UNTRACED, Attributes, Span, Spans
from utilitarian_operator.errors import OperatorError

if TYPE_CHECKING:
    import requests
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

ENDPOINT_PATTERN = r"^https?://[A-Za-z0-9._:\[\]-]{1,253}(/[A-Za-z0-9._~/-]{0,200})?$"
"""Without a login, which would stand in the pod's arguments; the schema of the chart's values has it too."""

PATH = "/v1/traces"
"""Where a collector takes spans, unless the endpoint has a path of its own (OpenTelemetry, OTLP/HTTP)."""

ANSWERS_WITHIN_S = 2.0
"""A collector that takes longer gets the spans no more."""

LAST_SPANS_WITHIN_S = 2.0
"""When the process ends, what was not sent by then is dropped."""


class Untraceable(OperatorError):
    """Traces can't be sent; the message says what to do."""


def checked(endpoint: str) -> str:
    """The URL that spans are sent to.

    Raises:
        Untraceable: it is none.
    """
    if not re.fullmatch(ENDPOINT_PATTERN, endpoint):
        raise Untraceable(
            f"--traces-endpoint {endpoint[:50]!r}: write the URL of a collector that takes OTLP over HTTP, without a "
            "login, like http://collector.observability:4318"
        )
    _, _, path = endpoint.split("://", 1)[1].partition("/")
    return endpoint if path else endpoint.rstrip("/") + PATH


@contextlib.asynccontextmanager
async def traced(endpoint: str | None, instance: str) -> AsyncIterator[Spans]:
    """Send spans for the time of the block; without an endpoint none are made, and no library is loaded.

    Args:
        endpoint: as `checked` gives it.
        instance: the operator's own name.

    Raises:
        Untraceable: the packages of the extra `tracing` are missing.
    """
    if endpoint is None:
        yield UNTRACED
        return
    provider = provider_to(announced(_exporter(endpoint), endpoint), instance)
    try:
        yield spans_of(provider)
    finally:
        ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, LAST_SPANS_WITHIN_S)


def _exporter(endpoint: str) -> "SpanExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
    except ImportError as error:
        raise Untraceable(
            f"--traces-endpoint: {error.name} is missing; install utilitarian-operator[tracing]"
        ) from error
    return OTLPSpanExporter(endpoint, timeout=ANSWERS_WITHIN_S, session=_session())


def announced(exporter: "SpanExporter", endpoint: str) -> "SpanExporter":
    """The same, with a line in the log when a collector ceases to take spans, and when it takes them again.

    The library's own lines, one or two for each batch, are for its developers alone.
    """
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - an extra

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    class Announced:
        """Sends spans, and says when that changes."""

        taken = True

        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            result = exporter.export(spans)
            taken = result is SpanExportResult.SUCCESS
            if taken is not self.taken:
                self.taken = taken
                if taken:
                    logger.info("traces are sent again", extra={"collector": endpoint})
                else:
                    logger.warning("traces can't be sent, and are dropped", extra={"collector": endpoint})
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return bool(exporter.force_flush(timeout_millis))

    return Announced()


def _session() -> "requests.Session":
    """A session that reads no more of an answer than its status, which is all that counts; it would read all."""
    import requests  # noqa: PLC0415 - comes with the extra

    made = requests.Session()
    made.stream = True
    made.hooks["response"] = [lambda answer, **_: answer.close()]
    return made


def provider_to(exporter: "SpanExporter", instance: str) -> "TracerProvider":
    """What makes spans and sends them in batches, from a thread of its own; more than it can send are dropped.

    Args:
        exporter: sends them.
        instance: the operator's own name.
    """
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same

    service = {"name": "utilitarian-operator", "version": __version__, "instance.id": instance}
    resource = Resource.create({f"service.{key}": value for key, value in service.items()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def spans_of(provider: "TracerProvider") -> Spans:
    """Spans that are kept, of a provider."""
    from opentelemetry.context import Context  # noqa: PLC0415 - an extra
    from opentelemetry.trace import Span as Kept  # noqa: PLC0415 - the same
    from opentelemetry.trace import Status, StatusCode, use_span  # noqa: PLC0415 - the same

    tracer = provider.get_tracer("utilitarian_operator", __version__)

    class Telling:
        """A span of the library."""

        def __init__(self, kept: Kept) -> None:
            self._kept = kept

        def tell(self, attributes: Callable[[], Attributes]) -> None:
            if self._kept.is_recording():
                self._kept.set_attributes(dict(attributes()))

    @contextlib.contextmanager
    def spans(
        name: str,
        attributes: Attributes = NONE,
        *,
        alone: bool = False,
        answered: Callable[[Exception], bool] = lambda _: False,
    ) -> Iterator[Span]:
        begun = tracer.start_span(name, Context() if alone else None, attributes=dict(attributes))
        with use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False) as kept:
            try:
                yield Telling(kept)
            except Exception as error:
                if not answered(error):
                    # What it says stands in the log.
                    kept.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    return spans
