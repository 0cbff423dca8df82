"""Clients: one request on a connection of its own, and a load of them."""

import http.client
import pathlib
import socket
import threading

from machine import await_that


def connect(place):
    """To a port of the machine's loopback, or to a Unix socket by its path."""
    host = "127.0.0.1" if isinstance(place, int) else "localhost"
    connection = http.client.HTTPConnection(host, place if isinstance(place, int) else None, timeout=60)
    if isinstance(place, pathlib.Path):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(str(place))
    return connection


def fetch(path="/-/health", place=8080, fields=None):
    connection = connect(place)
    try:
        connection.request("GET", path, headers={"Connection": "close", **(fields or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Load:
    """Clients that make a connection for each request, as long as the block lasts."""

    def __init__(self, path, expected, place=8080, clients=4):
        self.path, self.expected, self.place = path, expected, place
        self.answered, self.lost = 0, []
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.ask_on) for _ in range(clients)]

    def ask_on(self):
        while not self.over.is_set():
            try:
                status, body = fetch(self.path, self.place)
                problem = None if (status, body) == (200, self.expected) else f"status {status}, {len(body)} bytes"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            with self.lock:
                if problem:
                    self.lost.append(problem)
                else:
                    self.answered += 1

    def go_on(self):
        """Waits for a hundred more answers."""
        before = self.answered
        await_that(lambda: self.answered > before + 100, "the load goes on")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
