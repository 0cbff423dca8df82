"""A machine of its own to install and boot in: a bare Debian 12 in systemd-nspawn, without a network but its loopback.

The bare system is made once, by debootstrap, in a folder that is kept; what a boot writes is in memory and goes with it.
"""

import ctypes
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

RELEASE = "bookworm"
CLONE_NEWNET = 0x40000000
PATIENCE_S = 60  # after which something that should happen has failed; never a measure of speed
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"  # that nspawn forbids of itself
APART = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private")


class Unavailable(Exception):
    """This machine cannot boot another one; the text says why."""


def call(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **options)


def last_line(text):
    return ([""] + [line for line in text.splitlines() if line.strip()])[-1].strip()


def await_that(condition, what):
    """Looks until the condition holds, for what announces itself by no event here; its value."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"in {PATIENCE_S} s it did not come to this: {what}"
        time.sleep(0.05)


def mirror():
    for line in call("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)").stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[:2] == [RELEASE, "main"]:
            return words[2]
    raise Unavailable(f"apt knows no place that has {RELEASE}")


def bare_system(cache, deb):
    """The folder of a bare system, with what the package depends on downloaded, not installed."""
    if os.geteuid() != 0:
        raise Unavailable("only root can boot a container")
    for program in ("systemd-nspawn", "debootstrap", "nsenter", "unshare"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")
    if call(*APART, "true").returncode != 0:
        raise Unavailable("not allowed to make namespaces")
    root, stamp = cache / "root", cache / "made-of"
    depends = call("dpkg-deb", "--field", str(deb), "Depends", "Recommends").stdout
    made_of = hashlib.sha256(f"{RELEASE} {depends}".encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == made_of):
        call("rm", "-rf", "--one-file-system", str(cache))
        cache.mkdir(parents=True)
        made = call(*APART, "debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,logrotate", RELEASE, str(root),
                    mirror())
        if made.returncode != 0:
            raise Unavailable(f"debootstrap: {last_line(made.stdout)}")
        shutil.copy(deb, root / "fsrv.deb")
        fetched = call("systemd-nspawn", "-q", "-D", str(root), "--pipe", "--register=no", "--keep-unit", "--resolv-conf=copy-host",
                       "apt-get", "install", "-y", "--download-only", "/fsrv.deb")
        if fetched.returncode != 0:
            raise Unavailable(f"cannot download what the package depends on: {last_line(fetched.stdout)}")
        stamp.write_text(made_of)
    shutil.copy(deb, root / "fsrv.deb")
    tried = call("systemd-nspawn", "-q", "-D", str(root), "--volatile=overlay", "--pipe", "--register=no", "--keep-unit",
                 "--private-network", "true")
    if tried.returncode != 0:
        raise Unavailable(f"systemd-nspawn: {last_line(tried.stdout)}")
    return root


class Machine:
    """Boots at once. From then on this process has the machine's network, so that its loopback can be reached."""

    def __init__(self, root):
        self.console = tempfile.TemporaryFile(mode="w+")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", str(root), "--volatile=overlay", "--register=no", "--keep-unit", "--private-network",
             "--console=read-only", "--boot", f"--system-call-filter={LANDLOCK}"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
            self.init = int(await_that(lambda: self.is_alive() and children.read_text().split(), "its init runs")[0])
            await_that(lambda: self.ask("systemctl", "is-system-running") in ("running", "degraded"), "the machine is up")
            self.enter_network()
        except BaseException:
            self.stop()
            raise

    def is_alive(self):
        assert self.nspawn.poll() is None, f"the machine has ended:\n{self.console_text()}"
        return True

    def console_text(self):
        self.console.seek(0)
        return self.console.read()

    def run(self, *command):
        """Inside; the result has returncode and stdout, which holds stderr as well."""
        self.is_alive()
        return call("nsenter", "--target", str(self.init), "--mount", "--uts", "--ipc", "--net", "--pid", "env", "-i",
                    "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command,
                    timeout=2 * PATIENCE_S)

    def ask(self, *command):
        return self.run(*command).stdout.strip()

    def do(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}"
        return done.stdout.strip()

    def path(self, name):
        """A file of the machine, as this process can open it."""
        return pathlib.Path(f"/proc/{self.init}/root{name}")

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def show(self, name, unit="fsrv.service"):
        return self.ask("systemctl", "show", "--value", "--property", name, unit)

    def journal(self, *more):
        return self.ask("journalctl", "--no-pager", "--quiet", "--output=cat", *more)

    def enter_network(self):
        with open(f"/proc/{self.init}/ns/net", encoding="ascii") as network:
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.setns(network.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def stop(self):
        if self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)  # nspawn then powers its machine off
            try:
                self.nspawn.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
