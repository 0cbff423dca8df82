"""Clients that wrk and h2load are not. Each runs as a process of its own:

clients.py download SERVER PATH CONNECTIONS SECONDS  reads as fast as it can, over and over
clients.py whole SERVER PATH CONNECTIONS SECONDS  the same, looking at no byte
clients.py beside SERVER PATH CONNECTIONS SECONDS  the same, giving way to any load on its core and looking at no byte
clients.py drop FILE...  makes files cold, again and again, giving way likewise
clients.py each SERVER PATH CONNECTIONS COUNT  every one of COUNT paths once: %d in PATH is 0, 1, ...
clients.py slow SERVER PATH CONNECTIONS SECONDS RATE  reads RATE bytes a second on each connection
clients.py head SERVER PATH CONNECTIONS SECONDS  HEAD, one at a time on each connection
clients.py hold idle|paused SERVER PATH CONNECTIONS  opens, says "ready", keeps until its standard input ends

SERVER is ADDRESS:PORT. All but hold print {"units": N, "seconds": S}: bytes, or answers.
"""

import itertools
import json
import os
import resource
import select
import selectors
import socket
import sys
import time

from disk import drop_from_cache


def address(server):
    host, _, port = server.rpartition(":")
    return host, int(port)


def connect(server, path, receive_buffer=0):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(20)
    s.connect(address(server))
    ask(s, path)
    return s


def ask(s, path):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def read_head(s):
    """Length of the body, and how much of it came with the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(4096)
        if not piece:
            raise SystemExit("the server closed a connection")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(head.decode(errors="replace"))
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1]), len(rest)
    raise SystemExit("no Content-Length")


def read_body(s, length, early):
    while early < length:
        piece = s.recv(length - early)
        if not piece:
            raise SystemExit("the server closed a connection")
        early += len(piece)


def report(units, begin):
    print(json.dumps({"units": units, "seconds": time.monotonic() - begin}))


def download(server, paths, connections, seconds, discard=0):
    buffer = bytearray(256 * 1024)
    received = 0
    left = {}  # of the body; 0: a head is to come
    selector = selectors.DefaultSelector()
    begin = time.monotonic()
    for i in range(connections):
        path = paths.replace("%d", str(i))
        s = connect(server, path)
        left[s] = 0
        selector.register(s, selectors.EVENT_READ, path)
    while time.monotonic() < begin + seconds:
        for key, _ in selector.select(0.1):
            s = key.fileobj
            if left[s] == 0:
                length, n = read_head(s)
                left[s] = length
            else:
                n = s.recv_into(buffer, min(len(buffer), left[s]), discard)
                if n == 0:
                    raise SystemExit("the server closed a download")
            received += n
            left[s] -= n
            if left[s] == 0:
                ask(s, key.data)
    report(received, begin)


def each(server, paths, connections, count):
    poll = select.epoll()
    sockets = {}
    remaining = (paths.replace("%d", str(i)) for i in range(count))
    begin = time.monotonic()
    for path in itertools.islice(remaining, connections):
        s = connect(server, path)
        sockets[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
    answers = 0
    while answers < count:
        ready = poll.poll(20)
        if not ready:
            raise SystemExit("the server does not answer")
        for fd, _ in ready:
            read_body(sockets[fd], *read_head(sockets[fd]))
            answers += 1
            if path := next(remaining, None):
                ask(sockets[fd], path)
    report(count, begin)


def slow(server, path, connections, seconds, rate):
    buffer = bytearray(max(rate // 5, 1))
    sockets = [connect(server, path, 16 * 1024) for _ in range(connections)]
    for s in sockets:
        s.setblocking(False)
    received, begin = 0, time.monotonic()
    for tick in range(int(seconds * 5)):
        for s in sockets:
            try:
                received += s.recv_into(buffer)
            except BlockingIOError:
                pass
        time.sleep(max(0, begin + (tick + 1) / 5 - time.monotonic()))
    report(received, begin)


def head(server, path, connections, seconds):
    request = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    poll = select.epoll()
    sockets = {}
    for _ in range(connections):
        s = socket.create_connection(address(server))
        sockets[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
        s.send(request)
    answers, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        for fd, _ in poll.poll(0.1):
            answer = sockets[fd].recv(4096)
            if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\n"):
                raise SystemExit(f"no whole head: {answer}")
            answers += 1
            sockets[fd].send(request)
    report(answers, begin)


def hold(how, server, path, connections):
    sockets = []
    for _ in range(connections):
        sockets.append(connect(server, path, 4096 if how == "paused" else 0))
        if how == "idle":
            read_body(sockets[-1], *read_head(sockets[-1]))
    print("ready", flush=True)
    sys.stdin.read()


def give_way():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    match sys.argv[1:]:
        case ["download", server, path, connections, seconds]:
            download(server, path, int(connections), float(seconds))
        case ["whole", server, path, connections, seconds]:
            download(server, path, int(connections), float(seconds), socket.MSG_TRUNC)
        case ["beside", server, path, connections, seconds]:
            give_way()
            download(server, path, int(connections), float(seconds), socket.MSG_TRUNC)
        case ["drop", *files]:
            give_way()
            while True:
                drop_from_cache(files)
                time.sleep(0.25)
        case ["each", server, path, connections, count]:
            each(server, path, int(connections), int(count))
        case ["slow", server, path, connections, seconds, rate]:
            slow(server, path, int(connections), float(seconds), int(rate))
        case ["head", server, path, connections, seconds]:
            head(server, path, int(connections), float(seconds))
        case ["hold", how, server, path, connections]:
            hold(how, server, path, int(connections))
        case _:
            raise SystemExit(__doc__)
