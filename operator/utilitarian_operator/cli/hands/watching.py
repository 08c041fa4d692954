"""Shows something again and again until a person has seen enough: a screen on a terminal, else what changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.cli import connection
from utilitarian_operator.cli.connection import Look, Target
from utilitarian_operator.cli.output import WrongInput, coloured, emit, harmless, is_read, on_a_screen, plain
from utilitarian_operator.errors import OperatorError

EVERY_S = 2.0
"""Between two looks: a status is written when something changes, and its figures each 30 s at most."""

OLD = "what follows is what was seen last"


async def frames(target: Target, look: Look) -> AsyncIterator[str]:
    """A frame a look at the cluster, by one connection as long as it serves.

    Args:
        target: where the cluster is.
        look: makes one frame.
    """
    async with connection.for_long(target) as asked:
        async for frame in looks(lambda: asked(look)):
            yield frame


def follow(frames: Callable[[], AsyncIterator[str]]) -> None:
    """Show each frame in the place of the one before, until Ctrl-C, or until the reader has ended.

    Args:
        frames: made anew with a connection of their own.

    Raises:
        OperatorError: the first look failed; later ones are shown as an error above the last frame.
        WrongInput: there was nothing to show at the first look.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_screen(frames()) if on_a_screen() else _pipe(frames()))


async def looks(look: Callable[[], Awaitable[str]], every_s: float | None = None) -> AsyncIterator[str]:
    """A frame a look; a look that fails shows the last frame, and above it the error, where it is seen.

    Args:
        look: makes one frame.
        every_s: seconds between two looks; None for `EVERY_S`.

    Raises:
        OperatorError: the first look failed.
        WrongInput: the same, as what was named is not there; later it may be made anew.
    """
    frame = shown = await look()
    while True:
        yield shown
        await CLOCK.sleep(EVERY_S if every_s is None else every_s)
        try:
            frame = shown = await look()
        except (OperatorError, WrongInput) as error:
            shown = f"error: {OLD}: {' '.join(str(error).split())}\n{frame}"


async def _pipe(frames: AsyncIterator[str]) -> None:
    last = None
    async for frame in frames:
        if not is_read() or (frame != last and not emit(frame if last is None else f"\n{frame}")):
            break
        last = frame


async def _screen(frames: AsyncIterator[str]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    frame, console = "", Console(highlight=False)
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            async for frame in frames:
                said = harmless(frame) if coloured() else plain(frame)
                live.update(Text.from_ansi(said, no_wrap=True, overflow="ellipsis"), refresh=True)
    finally:
        if frame:
            emit(frame)
