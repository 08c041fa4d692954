"""Finds Celery's own process behind a `commandPrefix`: Python text for scripts in worker's and beat's containers."""

FIND = """\
def found(mark):
    # A wrapper has celery's words and its own; the processes that celery starts have the same words as celery.
    seen = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                words = file.read().rstrip(b"\\0").split(b"\\0")
            with open(f"/proc/{number}/status") as file:
                status = dict(line.split(":", 1) for line in file)
        except OSError:  # it has ended
            continue
        if mark in b" ".join(words) and int(number) != os.getpid():
            seen[number] = words, status
    fewest = min((len(words) for words, _ in seen.values()), default=0)
    alike = {number: it for number, it in seen.items() if len(it[0]) == fewest}
    first = [number for number, (_, status) in alike.items() if status["PPid"].strip() not in alike]
    return (int(first[0]), *alike[first[0]]) if first else (0, [b""], {})


def hears_sigterm(status, sets=("SigCgt",)):
    return any(int(status.get(name, "0"), 16) >> 14 & 1 for name in sets)
"""
"""Needs `import os` before it. `found` gives number, words and status of the first process that has the mark in its
words, with number 0 where there is none; `hears_sigterm` whether a process that has this status does."""

HOP = (
    """\
import atexit, os, signal, sys, time


"""
    + FIND
    + """

def pass_on(signal_number=None, _=None):
    # A first process that has no handler for SIGTERM doesn't get it: then the worker is told here.
    worker, _, status = found(mark)
    above, deaf = int(status.get("PPid", 0)), ""
    while above:
        with open(f"/proc/{above}/status") as file:
            it = dict(line.split(":", 1) for line in file)
        deaf = deaf if hears_sigterm(it, ("SigCgt", "SigBlk")) else it["Name"].strip()
        above = int(it["PPid"])
    if worker and deaf:
        try:
            with open("/proc/1/fd/2", "w") as log:
                print("utilitarian-operator:", deaf, "of commandPrefix does not pass SIGTERM on, so the preStop hook",
                      "tells the worker itself: let it end with exec", file=log)
        except OSError:
            pass
        os.kill(worker, signal.SIGTERM)
    if signal_number:
        os._exit(1)


mark = ("celery@" + os.environ["POD_NAME"]).encode()
signal.signal(signal.SIGALRM, pass_on)
if "UTILITARIAN_HOOK" not in os.environ:
    begun = time.monotonic()
    signal.alarm(int(sys.argv[1]))
    while True:
        worker, words, status = found(mark)
        if hears_sigterm(status):
            break
        time.sleep(0.2)
    # The interpreter and the environment that the wrapper chose: kombu and the broker's URL may be there alone.
    with open("/proc/self/cmdline", "rb") as file:
        script = file.read().split(b"\\0")[2].decode()
    try:
        with open(f"/proc/{worker}/environ", "rb") as file:
            env = dict(it.decode().split("=", 1) for it in file.read().split(b"\\0") if b"=" in it)
    except OSError:
        env = {}
    env = {**(env or os.environ), "POD_NAME": os.environ["POD_NAME"], "UTILITARIAN_HOOK": "1"}
    left = max(1, int(int(sys.argv[1]) - (time.monotonic() - begun)))
    python = words[0].decode() if b"py" in os.path.basename(words[0]) else sys.executable
    os.execvpe(python, [python, "-c", script, str(left), *sys.argv[2:]], env)
atexit.register(pass_on)
"""
)
"""Before the preStop script: it goes on in the worker's interpreter and environment, and when it ends for whatever
reason, a worker whose wrapper doesn't pass SIGTERM on is told by it."""
