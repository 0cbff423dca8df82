"""Cold files, and slow disks."""

import contextlib
import os
import pathlib


def drop_from_cache(files):
    for file in files:
        fd = os.open(file, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def whole_disk(device):
    """MAJOR:MINOR of the disk that a file system's device is a part of."""
    here = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    if (here / "partition").exists():
        here = here.parent
    return (here / "dev").read_text().strip()


def cgroup_with_limit():
    """Folder, file and line's form of the first block IO controller there is."""
    for mount in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = mount.split()
        if kind == "cgroup" and "blkio" in options.split(","):
            return pathlib.Path(where), "blkio.throttle.read_bps_device", "{disk} {rate}"
        if kind == "cgroup2":
            controllers = pathlib.Path(where) / "cgroup.subtree_control"
            if controllers.exists() and "io" in controllers.read_text().split():
                return pathlib.Path(where), "io.max", "{disk} rbps={rate}"
    return None


@contextlib.contextmanager
def throttled(pids, device, bytes_per_second):
    """The processes read at most so much a second; says whether that can be had. No rate: nothing is done."""
    if bytes_per_second is None:
        yield True
        return
    found = cgroup_with_limit()
    group = None
    try:
        where, file, line = found
        group = where / f"fsrv-bench-{os.getpid()}"
        group.mkdir()
        (group / file).write_text(line.format(disk=whole_disk(device), rate=bytes_per_second))
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
    except (OSError, TypeError):
        if group and group.exists():
            group.rmdir()
        yield False
        return
    try:
        yield True
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (where / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            group.rmdir()
