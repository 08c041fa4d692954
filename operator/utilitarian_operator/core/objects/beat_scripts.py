"""The two scripts that run in beat's own containers, with the image's Python alone.

The first refuses to let a second pod begin, and looks at the schedule file before beat does, because Celery deletes one
that it can't read, and with it when each task was last sent. The second tells a beat that sleeps, or waits for its
broker, from one that hangs.
"""

from utilitarian_operator.core.objects.wrapped_process import FIND

KEPT, NEW, MOVED = "kept", "new", "moved"
"""What the first script says of the schedule file, as the first word of its termination message."""


def reported(message: str) -> tuple[str, str]:
    """What the first script wrote as its termination message: a word of the above, and what happened.

    Args:
        message: as Kubernetes shows it; of another script the word may be any.
    """
    word, _, what = message.partition(":")
    return word.strip(), what.strip()


SILENT_S = 900
"""Beat wakes at least every 300 s by default (beat_max_loop_interval), broker or no broker; thrice that is a hang."""

CHECK = """\
import ast, contextlib, dbm, os, pickletools, shutil, sys, tempfile, time

path, tell, kept = sys.argv[1], sys.argv[2], 3
pod = os.environ["POD_NAME"]
endings = ("", ".db", ".dat", ".bak", ".dir", "-journal", "-wal", "-shm")


def say(text):
    print(text, flush=True)
    with open(tell, "w") as message:
        message.write(text)
    sys.exit(0)


def read(copy):
    with dbm.open(copy, "w") as store:
        for key in store.keys():
            for _ in pickletools.genops(store[key]):
                pass
        if not store.keys() and os.path.exists(copy + ".dat") and os.path.getsize(copy + ".dat"):
            raise ValueError("its index is empty")


def index(file):
    try:
        with open(file, encoding="latin-1") as lines:
            return dict(ast.literal_eval(line) for line in lines)
    except (OSError, ValueError, SyntaxError, TypeError):
        return {}


def mend():
    # dbm.dumb writes its index anew each time, after it has renamed the last one; a kill in between leaves half of it.
    if not os.path.exists(path + ".dat") or os.path.exists(path):
        return False
    last, now = index(path + ".bak"), index(path + ".dir")
    if set(last) <= set(now):
        return False
    try:
        with open(path + ".dat", "rb") as file:
            data = file.read()
        whole = {}
        for key, (at, _) in {**last, **now}.items():
            # A value may have been written already whose length the last index doesn't know: a pickle has its own end.
            for _, _, end in pickletools.genops(data[at:]):
                whole[key] = at, end + 1
        with open(path + ".new", "w", encoding="latin-1") as file:
            for key, place in whole.items():
                print(f"{key!r}, {place!r}", file=file)
        os.replace(path + ".new", path + ".dir")
    except Exception as error:
        print(f"its index can't be mended: {error}", flush=True)
        return False
    return True


if not pod.endswith("-0"):
    sys.exit(f"{pod} must not run: there is exactly one beat, and somebody has scaled its StatefulSet")
if not path:
    sys.exit(0)
mended = mend()
there = [end for end in endings if os.path.exists(path + end)]
if not there:
    say("new: there was no schedule file")
# A copy: opened for reading alone, it can't mend what an interrupted write left; opened for writing, it would change.
with contextlib.ExitStack() as stack:
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(path)))
        copy = os.path.join(folder, "schedule")
        for end in there:
            shutil.copyfile(path + end, copy + end)
    except OSError as error:
        say(f"kept: it could not be looked at ({error})")
    # In a child, since a broken file may end the process that reads it.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            read(copy)
            code = 0
        except MemoryError:
            code = 2
        except Exception as error:
            with open(os.path.join(folder, "why"), "w") as why:
                why.write(f"{type(error).__name__}: {error}"[:500])
        finally:
            os._exit(code)
    end_of_child = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if end_of_child == 0 or end_of_child in (2, -9, -15):
        how = ": its index was cut off by a kill and was mended" if mended else ""
        say("kept" + how if end_of_child == 0 else "kept: it could not be looked at")
    why = f"reading it ends with signal {-end_of_child}"
    if end_of_child == 1:
        why = open(os.path.join(folder, "why")).read()
stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
aside = f"{path}.aside-{stamp}"
for end in there:
    os.replace(path + end, aside + end)
folder = os.path.dirname(path)
names = sorted({name[:len(os.path.basename(aside))] for name in os.listdir(folder) if ".aside-" in name})
for name in os.listdir(folder):
    if ".aside-" in name and not name.startswith(tuple(names[-kept:])):
        os.remove(os.path.join(folder, name))
say(f"moved: it can't be read ({why}) and is now {os.path.basename(aside)}")
"""
"""Arguments: the schedule file, or nothing where the scheduler has none, and where the message goes. It never writes to
a file that can be read whole (an index of dbm.dumb that a kill has cut off is repaired), imports neither Celery nor the
application, and leaves alone what it could not look at (no memory, no room for a copy)."""

ALIVE = """\
import sys

note, silent = sys.argv[1], float(sys.argv[2])
with open("/proc/1/status") as status:
    woke = next(line.split()[1] for line in status if line.startswith("voluntary_ctxt_switches"))
with open("/proc/uptime") as uptime:
    now = float(uptime.read().split()[0])
try:
    with open(note) as last:
        before, since = last.read().split()
except (OSError, ValueError):
    before, since = "", 0.0
if woke == before and 0 <= now - float(since) < silent:
    sys.exit(0)
if woke == before and now >= float(since):
    sys.exit(f"beat has not woken for {silent:.0f} s")
try:
    with open(note, "w") as last:
        last.write(f"{woke} {now}")
except OSError:
    pass
"""
"""Arguments: a file for its own note, and the seconds without a sign. It counts how often the main thread has gone to
sleep of itself (Linux' voluntary context switches): it needs no broker, no clock that can jump and no schedule file."""

_PROCESS_1 = """\
import sys

note, silent = sys.argv[1], float(sys.argv[2])
with open("/proc/1/status") as status:
    woke = next(line.split()[1] for line in status if line.startswith("voluntary_ctxt_switches"))
"""

ALIVE_BEHIND_A_WRAPPER = (
    f"import os, sys\n\n\n{FIND}\n\n"
    """\
note, silent = sys.argv[1], float(sys.argv[2])
woke = found(sys.argv[3].encode())[2].get("voluntary_ctxt_switches", "none").strip()
""" + ALIVE.removeprefix(_PROCESS_1)
)
"""The same for a beat behind a `commandPrefix`: a wrapper that waits for beat never wakes. One more argument: a word of
beat's command that no other process has."""


def check(path: str, message: str) -> list[str]:
    """The command of the init container.

    Args:
        path: of the schedule file, as beat is given it; empty where its scheduler has a memory of its own.
        message: the file whose text Kubernetes shows as the container's termination message.
    """
    return ["python3", "-c", CHECK, path, message]


def alive(note: str, mark: str | None = None) -> list[str]:
    """The command of the liveness probe.

    Args:
        note: a file that only this probe uses.
        mark: a word of beat's command, where beat is started through a `commandPrefix`.
    """
    if mark is not None:
        return ["python3", "-c", ALIVE_BEHIND_A_WRAPPER, note, str(SILENT_S), mark]
    return ["python3", "-c", ALIVE, note, str(SILENT_S)]
