"""A job's log on a loopback HTTP server, and a TCP proxy before it that does to connections what networks do."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIGN_OF_LIFE = '<sky-payload>"<heartbeat></heartbeat>"</sky-payload>\n'
Fault = Callable[[int], tuple[str, int]]


class JobLog:
    """Text that grows until the job has ended; every request gets it from its first byte."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.ended = False
        self.requests: list[dict] = []
        self.status = 200
        self.spoil: Callable[[int], bool] = lambda part: False

    def write(self, text: str) -> None:
        self.parts.append(text)

    def stream(self) -> Iterator[str]:
        part = 0
        said = time.monotonic()
        while True:
            ended = self.ended
            while part < len(self.parts):
                if not self.spoil(part):
                    yield self.parts[part]
                part += 1
            if ended:
                return
            if time.monotonic() - said > 0.1:
                said = time.monotonic()
                yield SIGN_OF_LIFE
            time.sleep(0.005)


@contextmanager
def served(log: JobLog) -> Iterator[int]:
    """The log behind POST, in chunks, as SkyPilot's server streams it; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            log.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(log.status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with suppress(OSError):
                for text in log.stream() if log.status == 200 else ["credentials have expired"]:
                    data = text.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

        def log_message(self, *words) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        log.ended = True
        server.shutdown()
        server.server_close()


def chaos(seed: int, connections: int) -> Fault:
    """Each of the first connections is cut, reset or left half open somewhere; the later ones are in order."""
    chance = random.Random(seed)
    faults = [
        (chance.choice(["cut", "reset", "stall"]), chance.choice([30, 3000, 50_000, 300_000]))
        for _ in range(connections)
    ]
    sizes = [(kind, chance.randrange(size)) for kind, size in faults]
    return lambda connection: sizes[connection] if connection < connections else ("none", 0)


class Proxy:
    """Carries bytes between a client and a port until a connection's fault says otherwise."""

    def __init__(self, port: int, fault: Fault) -> None:
        self._port, self._fault = port, fault
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._sockets: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self.met: list[str] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        connection = 0
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.settimeout(None)
            server = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [client, server]
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()
            threading.Thread(target=self._return, args=(server, client, *self._fault(connection)), daemon=True).start()
            connection += 1

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                server.sendall(data)

    def _return(self, server: socket.socket, client: socket.socket, fault: str, after: int) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 14):
                if fault != "none" and after <= len(data):
                    client.sendall(data[:after])
                    self.met.append(fault)
                    self._break(fault, client)
                    return
                after -= len(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _break(self, fault: str, client: socket.socket) -> None:
        if fault == "stall":
            self._stopped.wait()
            return
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            return
        client.shutdown(socket.SHUT_RDWR)
