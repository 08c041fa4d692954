"""A TCP proxy in a container of the worker's image, as a mesh or a database has one: it ends at SIGTERM, at once."""

from urllib.parse import urlsplit, urlunsplit

PORT = 5672
"""On which it listens, unless told otherwise: a pod has all ports of its loopback address."""

_SCRIPT = """
import asyncio, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
async def serve(reader, writer):
    try:
        there, back = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
    except OSError:
        return writer.close()
    await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[3]))
    await server.serve_forever()
asyncio.run(main())
"""


def proxy(url: str, port: int = PORT) -> list[str]:
    """The command of a container through which a broker is reached at this port of the pod itself."""
    address = urlsplit(url)
    return ["python3", "-c", _SCRIPT, str(address.hostname), str(address.port or PORT), str(port)]


def through_proxy(url: str, port: int = PORT) -> str:
    """The URL of the same broker by the proxy."""
    address = urlsplit(url)
    login = f"{address.username}:{address.password}"
    return urlunsplit(address._replace(netloc=f"{login}@127.0.0.1:{port}"))
