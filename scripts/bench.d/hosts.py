"""Where clients are: on the servers' host, or in a network namespace, as if on another."""

import contextlib
import dataclasses
import ipaddress
import json
import os
import shutil
import subprocess


@dataclasses.dataclass(frozen=True)
class Host:
    """Of clients. `address`: what servers listen on for them; `enter`: the command that starts a program there."""

    address: str
    enter: tuple = ()


HERE = Host("127.0.0.1")
RANGES = ("10.213.77.0/24", "172.29.77.0/24", "192.168.213.0/24")  # private ones, RFC 1918


class Skipped(Exception):
    """Not to be had on this machine; why."""


def ip(*words, enter=()):
    done = subprocess.run([*enter, "ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def unused_network():
    """Four private addresses that none of this host's routes knows."""
    routes = json.loads(ip("-json", "-4", "route", "show", "table", "all"))
    known = [ipaddress.ip_network(route["dst"]) for route in routes if route["dst"] != "default"]
    for addresses in RANGES:
        for network in ipaddress.ip_network(addresses).subnets(new_prefix=30):
            if not any(network.overlaps(other) for other in known):
                return network
    raise Skipped("no private addresses are free")


@contextlib.contextmanager
def another():
    """A network namespace without a name, joined by a veth pair. It lasts as long as the process that holds it, and that as long
    as its standard input is open: however this program ends, nothing is left."""
    if os.geteuid() != 0:
        raise Skipped("only root can make a network namespace")
    if not shutil.which("ip"):
        raise Skipped("there is no ip (Debian: iproute2)")
    near, far = f"fsrvb{os.getpid()}", "fsrvb-far"
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if (said := holder.stdout.readline()) != "ready\n":
            raise Skipped(said.strip() or "no network namespace")
        enter = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        network = unused_network()
        mine, theirs = network.hosts()
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(holder.pid))
        ip("address", "add", f"{mine}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("address", "add", f"{theirs}/30", "dev", far, enter=enter)
        ip("link", "set", far, "up", enter=enter)
        yield Host(str(mine), enter)
    finally:
        subprocess.run(["ip", "link", "delete", near], capture_output=True)
        holder.stdin.close()
        holder.kill()
        holder.wait()
