"""What is tested in the booted machine, in this order: each case finds it as the one before has left it."""

import http.client
import json

from client import Load, fetch
from machine import await_that

CONTENT = bytes(range(256)) * 400
CONFIG = 'root = "/var/lib/fsrv"\nport = 8080\n'
DROP_INS = "/etc/systemd/system/fsrv.service.d"


def main_pid(m):
    return int(m.show("MainPID"))


def workers(m):
    pid = main_pid(m)
    return m.do("cat", f"/proc/{pid}/task/{pid}/children").split()


def is_whole(m):
    """All workers are there, and ready."""
    count = len(workers(m))
    return m.show("StatusText").startswith(f"{count} of {count} workers")


def nice_values(m, pid):
    """Of each thread of a process."""
    return [int(line.rpartition(")")[2].split()[16]) for line in m.do("sh", "-c", f"cat /proc/{pid}/task/*/stat").splitlines()]


def status_of(m, pid):
    return dict(line.split(":\t", 1) for line in m.do("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)


def kill(m, signal, pid):
    m.do("sh", "-c", f"kill -{signal} {pid}")  # the shell's own: a bare system has no other


def serves(path="/data.bin", port=8080):
    status, body = fetch(path, port)
    assert (status, body) == (200, CONTENT), f"status {status}, {len(body)} bytes"


def is_served():
    try:
        return fetch()[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def figure(place, name):
    """What /metrics has of a name, all labels together."""
    status, body = fetch("/metrics", place)
    assert status == 200, (status, body)
    values = [line.split()[-1] for line in body.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert values, f"no {name} in {body}"
    return sum(map(float, values))


def figures_are_told(m, place):
    """At the admin socket, over a reload too, with what workers have counted."""
    assert fetch("/readyz", place) == (200, b"ready\n"), fetch("/readyz", place)
    answered = figure(place, "fsrv_requests_total")
    serves()
    await_that(lambda: figure(place, "fsrv_requests_total") == answered + 1, "a worker counts its answer")
    assert figure(place, "fsrv_generation") == 1
    with Load("/readyz", b"ready\n", place) as load:
        load.go_on()
        m.do("systemctl", "reload", "fsrv.service")
        load.go_on()
    assert not load.lost, f"{len(load.lost)} lost of {load.answered}: {load.lost[:3]}"
    assert figure(place, "fsrv_generation") == 2
    assert figure(place, "fsrv_requests_total") == answered + 1, "what the first generation counted is kept"


def configure(m, text=CONFIG, drop_ins=None):
    """Puts a configuration and drop-ins in force with a fresh start."""
    m.write("/etc/fsrv/fsrv.toml", text)
    m.do("rm", "-rf", DROP_INS)
    for name, content in (drop_ins or {}).items():
        m.write(f"{DROP_INS}/{name}", content)
    m.do("systemctl", "daemon-reload")
    m.run("systemctl", "reset-failed", "fsrv.service")
    m.do("systemctl", "restart", "fsrv.service")


def files_of(m):
    """All files, without those that the system itself writes while it runs."""
    ours_not = ("/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log/apt", "/var/log/dpkg.log", "/var/log/journal", "/tmp",
                "/var/tmp", "/etc/ld.so.cache", "/var/lib/systemd/timers", "/var/lib/systemd/random-seed", "/run", "/dev")
    found = m.do("find", "/", "-xdev").splitlines()
    return {name for name in found if not name.startswith(ours_not)}


def a_bare_system_installs_the_package_and_its_service_runs(m):
    m.files_before = files_of(m)
    m.do("apt-get", "install", "-y", "/fsrv.deb")
    assert m.ask("systemctl", "is-active", "fsrv.service") == "active"
    assert m.ask("systemctl", "is-enabled", "fsrv.service") == "enabled"
    assert m.ask("systemctl", "is-enabled", "fsrv.socket") == "disabled"
    status, body = fetch()
    assert (status, body.strip()) == (200, b"ok"), (status, body)


def systemd_finds_no_fault_with_the_installed_units(m):
    said = m.do("systemd-analyze", "verify", "--man=no", "fsrv.service", "fsrv.socket")
    assert not said, said
    m.do("systemd-analyze", "security", "--threshold=15", "fsrv.service")


def the_service_serves_what_is_put_into_its_folder(m):
    m.path("/var/lib/fsrv/data.bin").write_bytes(CONTENT)
    serves()
    status, body = fetch("/data.bin", fields={"Range": "bytes=1000-1999"})
    assert (status, body) == (206, CONTENT[1000:2000])


def status_tells_how_many_workers_are_ready(m):
    await_that(lambda: is_whole(m), "all workers are ready")


def no_process_has_a_user_a_privilege_or_a_way_back(m):
    for pid in [str(main_pid(m))] + workers(m):
        status = status_of(m, pid)
        assert "0" not in status["Uid"].split(), status["Uid"]
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, f"{name}: {status[name]}"
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    # The unit's confinement leaves the workers able to confine themselves further.
    filters = int(status_of(m, main_pid(m))["Seccomp_filters"])
    for worker in workers(m):
        assert int(status_of(m, worker)["Seccomp_filters"]) > filters
    assert "without a part" not in m.journal("-u", "fsrv"), m.journal("-u", "fsrv")


def a_dead_worker_is_replaced_and_the_journal_has_its_priority(m):
    victim = workers(m)[0]
    kill(m, "KILL", victim)
    await_that(lambda: victim not in workers(m) and is_whole(m), "it is replaced")
    serves()

    def notice():
        lines = m.ask("journalctl", "-u", "fsrv", "--output=json", "--quiet").splitlines()
        return [entry for entry in map(json.loads, lines) if f"worker {victim} was killed" in str(entry["MESSAGE"])]

    (entry,) = await_that(notice, "the journal has it")
    assert entry["PRIORITY"] == "4" and not entry["MESSAGE"].startswith("<"), entry
    assert m.show("NRestarts") == "0"


def a_configuration_that_is_wrong_is_not_tried_again(m):
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'grace = "soon"\n')
    assert m.run("systemctl", "restart", "fsrv.service").returncode != 0
    assert m.show("ActiveState") == "failed" and m.show("ExecMainStatus") == "2" and m.show("NRestarts") == "0"
    assert "/etc/fsrv/fsrv.toml:3" in m.journal("-u", "fsrv", "-n", "5"), m.journal("-u", "fsrv", "-n", "5")
    configure(m)
    serves()


def reload_puts_a_new_configuration_in_force(m):
    pid = main_pid(m)
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'index = "data.bin"\n')
    m.do("systemctl", "reload", "fsrv.service")
    serves("/")
    assert main_pid(m) == pid and m.show("ActiveState") == "active"
    status = m.do("fsrv", "--control", "/run/fsrv/control.sock", "--ctl", "status")
    assert str(workers(m)[0]) in status, status


def reload_of_a_wrong_configuration_fails_and_changes_nothing(m):
    pid = main_pid(m)
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'grace = "soon"\n')
    assert m.run("systemctl", "reload", "fsrv.service").returncode != 0
    assert "/etc/fsrv/fsrv.toml:3" in m.journal("-u", "fsrv", "-n", "20"), m.journal("-u", "fsrv", "-n", "20")
    serves("/")
    assert main_pid(m) == pid and m.show("ActiveState") == "active"


def a_port_below_1024_wants_the_two_lines_that_the_unit_tells(m):
    lines = [line.removeprefix("#").strip() for line in m.do("cat", "/lib/systemd/system/fsrv.service").splitlines()
             if line.startswith("#   ")]
    assert lines[0] == "[Service]" and len(lines) == 3, lines
    configure(m, CONFIG.replace("8080", "80"), {"port.conf": "\n".join(lines)})
    serves(port=80)
    for worker in workers(m):
        assert int(status_of(m, worker)["CapPrm"], 16) == 0, "a worker keeps none of it"
    configure(m)


def rotation_by_logrotate_loses_no_line(m):
    configure(m, CONFIG + 'access-log = "/var/log/fsrv/access.log"\n')
    rotations = 12
    log = m.path("/var/log/fsrv/access.log")
    with Load("/data.bin", CONTENT) as load:
        for _ in range(rotations):
            # It is there again, and has lines: logrotate leaves an empty one alone.
            await_that(lambda: log.exists() and log.stat().st_size > 5000, "the load goes on")
            m.do("logrotate", "--force", "/etc/logrotate.d/fsrv")
    assert not load.lost, load.lost[:3]

    def lines():
        return int(m.do("sh", "-c", "for f in /var/log/fsrv/*; do gzip -cdf \"$f\"; done | wc -l"))

    await_that(lambda: lines() >= load.answered, f"{load.answered} lines are written")
    assert lines() == load.answered, f"{lines()} lines, {load.answered} answers"
    names = m.do("ls", "/var/log/fsrv").split()
    assert len(names) > rotations, names
    configure(m)


def the_admin_socket_tells_figures_under_the_unit(m):
    configure(m, CONFIG + 'admin = "127.0.0.1:9090"\n')
    figures_are_told(m, 9090)
    # The unit lets workers make the threads of their pool nicer, one of which has looked data.bin up.
    serves()
    assert 10 in [nice for worker in workers(m) for nice in nice_values(m, worker)]


def a_supervisor_that_hangs_is_replaced_by_the_watchdog(m):
    configure(m, drop_ins={"watchdog.conf": "[Service]\nWatchdogSec=2\n"})
    first = m.show("WatchdogTimestampMonotonic")
    second = await_that(lambda: (now := m.show("WatchdogTimestampMonotonic")) != first and now, "it says that it is alive")
    await_that(lambda: m.show("WatchdogTimestampMonotonic") != second, "and again")
    pid = main_pid(m)
    assert m.show("NRestarts") == "0"
    kill(m, "STOP", pid)
    await_that(lambda: m.show("NRestarts") == "1" and m.show("ActiveState") == "active", "it is replaced")
    assert main_pid(m) != pid
    assert "watchdog" in m.journal("-u", "fsrv").lower()
    serves()
    configure(m)


def an_upgrade_of_the_package_loses_neither_a_connection_nor_the_configuration(m):
    pid = main_pid(m)
    m.write("/etc/fsrv/fsrv.toml", CONFIG + "# mine\n")
    with Load("/data.bin", CONTENT) as load:
        load.go_on()
        m.do("dpkg", "--install", "/fsrv.deb")
        await_that(lambda: main_pid(m) not in (0, pid), "the new version runs")
        load.go_on()
    assert not load.lost, f"{len(load.lost)} lost of {load.answered}: {load.lost[:3]}"
    assert "# mine" in m.do("cat", "/etc/fsrv/fsrv.toml")


def the_socket_unit_starts_the_service_with_the_first_connection(m):
    m.do("systemctl", "stop", "fsrv.service")
    m.do("systemctl", "enable", "--now", "fsrv.socket")
    assert m.ask("systemctl", "is-active", "fsrv.service") == "inactive"
    serves()
    assert m.ask("systemctl", "is-active", "fsrv.service") == "active"
    assert "4 sockets of the service manager" in m.journal("-u", "fsrv", "-n", "20")


def behind_the_socket_unit_it_has_neither_network_nor_privilege(m):
    m.do("install", "-D", "-m", "644", "/usr/share/doc/fsrv/examples/fsrv-socket.conf", f"{DROP_INS}/socket.conf")
    m.do("systemctl", "daemon-reload")
    m.do("systemctl", "restart", "fsrv.service")
    assert m.do("readlink", f"/proc/{main_pid(m)}/ns/net") != m.do("readlink", "/proc/1/ns/net")
    for pid in [str(main_pid(m))] + workers(m):
        status = status_of(m, pid)
        assert int(status["CapBnd"], 16) == 0 and status["Seccomp"] == "2", status
    serves()


def behind_the_socket_unit_the_admin_socket_is_a_unix_one(m):
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'admin = "127.0.0.1:9090"\n')
    assert m.run("systemctl", "restart", "fsrv.service").returncode != 0
    assert m.show("ExecMainStatus") == "3" and m.show("NRestarts") == "0"
    assert "unix:PATH" in m.journal("-u", "fsrv", "-n", "5"), m.journal("-u", "fsrv", "-n", "5")
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'admin = "unix:/run/fsrv/admin.sock"\n')
    m.do("systemctl", "restart", "fsrv.service")
    figures_are_told(m, m.path("/run/fsrv/admin.sock"))
    m.write("/etc/fsrv/fsrv.toml", CONFIG)
    m.do("systemctl", "restart", "fsrv.service")


def restarts_behind_the_socket_unit_lose_no_connection(m):
    with Load("/data.bin", CONTENT) as load:
        for _ in range(6):
            load.go_on()
            m.do("systemctl", "restart", "fsrv.service")
        load.go_on()
    assert not load.lost, f"{len(load.lost)} lost of {load.answered}: {load.lost[:3]}"


def an_upgrade_of_the_package_behind_the_socket_unit_loses_no_connection(m):
    pid = main_pid(m)
    with Load("/data.bin", CONTENT) as load:
        load.go_on()
        m.do("dpkg", "--install", "/fsrv.deb")
        await_that(lambda: main_pid(m) not in (0, pid), "the new version runs")
        load.go_on()
    assert not load.lost, f"{len(load.lost)} lost of {load.answered}: {load.lost[:3]}"


def a_supervisor_killed_behind_the_socket_unit_is_replaced(m):
    pid = main_pid(m)
    kill(m, "KILL", pid)
    # Not before: until systemd has killed the orphaned workers they still accept, and what they send is cut off.
    await_that(lambda: main_pid(m) not in (0, pid), "systemd has a new main process")
    serves()


def upgrade_in_place(m):
    pid = main_pid(m)
    m.do("fsrv", "--control", "/run/fsrv/control.sock", "--ctl", "upgrade")
    await_that(lambda: main_pid(m) not in (0, pid), "systemd has a new main process")
    await_that(lambda: m.run("test", "-e", f"/proc/{pid}").returncode != 0, "the old one is gone")


def an_upgrade_in_place_loses_no_connection_and_systemd_follows_it(m):
    m.do("systemctl", "disable", "--now", "fsrv.socket")
    configure(m, drop_ins={"watchdog.conf": "[Service]\nWatchdogSec=3\n"})
    with Load("/data.bin", CONTENT) as load:
        load.go_on()
        upgrade_in_place(m)
        load.go_on()
    assert not load.lost, f"{len(load.lost)} lost of {load.answered}: {load.lost[:3]}"
    before = m.show("WatchdogTimestampMonotonic")
    await_that(lambda: m.show("WatchdogTimestampMonotonic") != before, "the new one gives signs of life")
    m.do("systemctl", "reload", "fsrv.service")
    successor = main_pid(m)
    kill(m, "KILL", successor)
    await_that(lambda: main_pid(m) not in (0, successor) and is_served(), "its death is noticed")


def a_control_socket_named_in_the_file_takes_none_away_from_the_unit(m):
    m.write("/etc/fsrv/fsrv.toml", CONFIG + 'control = "/run/fsrv/other.sock"\n')
    m.do("systemctl", "restart", "fsrv.service")
    m.do("systemctl", "reload", "fsrv.service")
    upgrade_in_place(m)
    m.do("systemctl", "reload", "fsrv.service")
    configure(m)


def after_an_upgrade_in_place_a_stop_is_in_order(m):
    upgrade_in_place(m)
    m.do("systemctl", "stop", "fsrv.service")
    assert (m.show("ActiveState"), m.show("Result")) == ("inactive", "success"), m.show("Result")
    configure(m)


def purge_leaves_nothing(m):
    m.do("sh", "-c", "rm -rf /var/lib/fsrv/* " + DROP_INS)
    m.do("apt-get", "purge", "-y", "--autoremove", "fsrv")
    left = files_of(m) - m.files_before - {"/var/lib/logrotate/status"}  # made by this test's logrotate
    assert not left, sorted(left)[:20]
    assert m.show("LoadState") == "not-found" and m.show("LoadState", "fsrv.socket") == "not-found"
    assert not is_served()


CASES = [
    a_bare_system_installs_the_package_and_its_service_runs,
    systemd_finds_no_fault_with_the_installed_units,
    the_service_serves_what_is_put_into_its_folder,
    status_tells_how_many_workers_are_ready,
    no_process_has_a_user_a_privilege_or_a_way_back,
    a_dead_worker_is_replaced_and_the_journal_has_its_priority,
    a_configuration_that_is_wrong_is_not_tried_again,
    reload_puts_a_new_configuration_in_force,
    reload_of_a_wrong_configuration_fails_and_changes_nothing,
    a_port_below_1024_wants_the_two_lines_that_the_unit_tells,
    rotation_by_logrotate_loses_no_line,
    the_admin_socket_tells_figures_under_the_unit,
    a_supervisor_that_hangs_is_replaced_by_the_watchdog,
    an_upgrade_of_the_package_loses_neither_a_connection_nor_the_configuration,
    the_socket_unit_starts_the_service_with_the_first_connection,
    behind_the_socket_unit_it_has_neither_network_nor_privilege,
    behind_the_socket_unit_the_admin_socket_is_a_unix_one,
    restarts_behind_the_socket_unit_lose_no_connection,
    an_upgrade_of_the_package_behind_the_socket_unit_loses_no_connection,
    a_supervisor_killed_behind_the_socket_unit_is_replaced,
    an_upgrade_in_place_loses_no_connection_and_systemd_follows_it,
    a_control_socket_named_in_the_file_takes_none_away_from_the_unit,
    after_an_upgrade_in_place_a_stop_is_in_order,
    purge_leaves_nothing,
]
