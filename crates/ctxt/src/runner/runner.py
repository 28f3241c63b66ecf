#!/usr/bin/env python3
"""One run of contextualization, on the master of an infrastructure.

    runner.py start RUN ANSIBLE_PLAYBOOK   starts it, detached; answers in JSON
    runner.py follow RUN AFTER             prints its events after a sequence number, as they come
    runner.py kill RUN                     kills it, and what it started

It needs the Python that runs Ansible and nothing else. The folder of the infrastructure holds runs/RUN/: the plan, this
program, the events (one JSON line each, numbered, only ever appended) and, once the run has ended, its status (by rename).
A run with a higher number kills the ones before it; a run that sees a higher number stops by itself.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
LOG_LIMIT = 16 << 20


def path(*parts):
    return os.path.join(BASE, *parts)


def run_path(number, *parts):
    return path("runs", str(number), *parts)


def read(name, default=""):
    try:
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return default


def write(name, text, mode=0o600):
    """Writes a whole file or nothing of it."""
    fresh = "%s.%d.new" % (name, os.getpid())
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(fresh, mode)
    os.rename(fresh, name)


def highest():
    """The highest number that any run was asked for under."""
    try:
        return int(read(path("run.number"), "0"))
    except ValueError:
        return 0


# Processes


def start_time(pid):
    """Tells a process from a later one of the same number."""
    stat = read("/proc/%d/stat" % pid)
    return stat.rpartition(")")[2].split()[19] if ")" in stat else None


def boot():
    return read("/proc/sys/kernel/random/boot_id").strip() or "-"


def alive(number):
    """The process of a run, if it lives."""
    words = read(run_path(number, "pid")).split()
    if len(words) == 3 and words[1] == start_time(int(words[0])) and words[2] == boot():
        return int(words[0])
    return None


def family(number):
    """Every process of a run: those of its session, and what descends from them. What a recipe has left running for
    good is a daemon, in a session of its own, and has no parent here."""
    words = read(run_path(number, "pid")).split()
    if len(words) != 3 or words[2] != boot():
        return set()
    leader, parents, found = int(words[0]), {}, set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        stat = read("/proc/%s/stat" % name).rpartition(")")[2].split()
        if len(stat) < 4 or stat[0] == "Z":
            continue
        parents[int(name)] = int(stat[1])
        if int(stat[3]) == leader:
            found.add(int(name))
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found - {os.getpid()}


def kill(number):
    """Kills a run that has not ended, and its family; those of other users with sudo, where that is allowed."""
    if os.path.exists(run_path(number, "status.json")):
        return
    # Once more after each: one that was just being forked is seen the next time.
    for _ in range(50):
        left = family(number)
        if not left:
            return
        others = []
        for pid in sorted(left):
            try:
                os.kill(pid, signal.SIGKILL)
            except PermissionError:
                others.append(str(pid))
            except ProcessLookupError:
                pass
        if others:
            subprocess.run(["sudo", "-n", "kill", "-9"] + others, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        time.sleep(0.02)


# The commands


class Lock:
    """Starting and killing happen one after another."""

    def __enter__(self):
        self.file = open(path("run.lock"), "a")
        os.set_inheritable(self.file.fileno(), False)
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.file.close()


def install(number):
    """Puts the files of the run where recipes expect them; takes away those of earlier runs."""
    source = run_path(number, "files")
    names = []
    for folder, _, files in os.walk(source):
        for file in files:
            name = os.path.relpath(os.path.join(folder, file), source)
            names.append(name)
            os.makedirs(os.path.dirname(path(name)), mode=0o700, exist_ok=True)
            fresh = path(name) + ".new"
            shutil.copy2(os.path.join(folder, file), fresh)
            os.rename(fresh, path(name))
    for name in set(json.loads(read(path("files.json"), "[]"))) - set(names):
        try:
            os.unlink(path(name))
        except OSError:
            pass
    write(path("files.json"), json.dumps(sorted(names)))


def start(number, playbook):
    with Lock():
        seen = highest()
        if seen > number:
            return {"superseded": seen}
        if seen == number and os.path.exists(run_path(number, "pid")):
            if alive(number) or os.path.exists(run_path(number, "status.json")):
                return {"started": False}
            # It died without a word (a reboot of the master): begin again, after the events already told.
        write(path("run.number"), str(number))
        for old in os.listdir(path("runs")):
            if old.isdigit() and int(old) < number:
                kill(int(old))
                if int(old) < number - 1:
                    shutil.rmtree(run_path(old), ignore_errors=True)
                else:
                    for secret in ("plan.json", "files", "keys", "tmp"):
                        shutil.rmtree(run_path(old, secret), ignore_errors=True)
                        if os.path.isfile(run_path(old, secret)):
                            os.unlink(run_path(old, secret))
        kill(number)
        install(number)
        ready, told = os.pipe()
        if os.fork() == 0:
            detach(number, playbook, told)
        os.close(told)
        os.read(ready, 1)
        os.wait()
        if alive(number) is None and not os.path.exists(run_path(number, "status.json")):
            return {"failed": read(run_path(number, "runner.log"))[-2000:]}
    return {"started": True}


def detach(number, playbook, told):
    """Leaves the connection that started us: no parent, no terminal, and a session that bears our number."""
    if os.fork() != 0:
        os._exit(0)
    code = 1
    try:
        os.setsid()
        os.chdir(BASE)
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(run_path(number, "runner.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        write(run_path(number, "pid"), "%d %s %s" % (os.getpid(), start_time(os.getpid()), boot()))
        os.close(told)
        os.execv(sys.executable, [sys.executable, os.path.abspath(__file__), "run", str(number), playbook])
    finally:
        os._exit(code)


def follow(number, after):
    """Prints events. Ends after the last one, or with exit code 4 when the run has died without one."""
    name, out = run_path(number, "events"), sys.stdout.buffer
    pause, skipped, rest = 0.02, 0, b""
    while not os.path.exists(name):
        if alive(number) is None and not os.path.exists(run_path(number, "pid")):
            return 4
        time.sleep(pause)
    with open(name, "rb") as file:
        while True:
            # Asked before reading: what a run wrote before it ended is read.
            ended = os.path.exists(run_path(number, "status.json")) or alive(number) is None
            data = file.read(1 << 20)
            if data:
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    skipped += 1
                    if skipped > after:
                        out.write(line + b"\n")
                out.flush()
                pause = 0.02
            elif ended:
                return 0 if os.path.exists(run_path(number, "status.json")) else 4
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)


class Events:
    """The events file."""

    def __init__(self, name):
        self.lock = threading.Lock()
        self.sizes = {}
        old = b""
        if os.path.exists(name):
            with open(name, "rb") as file:
                old = file.read()
            if not old.endswith(b"\n"):
                os.truncate(name, old.rfind(b"\n") + 1)
        self.seq = old.count(b"\n")
        self.file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def put(self, kind, **fields):
        with self.lock:
            self.seq += 1
            event = {"seq": self.seq, "time": int(time.time() * 1000000), "type": kind}
            event.update(fields)
            line = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            while line:
                line = line[os.write(self.file, line):]

    def header(self, text):
        self.put("log", scope="infra", text=text)

    def log(self, vm, text):
        if not text:
            return
        size = self.sizes.get(vm, 0)
        self.sizes[vm] = size + len(text)
        if size >= LOG_LIMIT:
            return
        if size + len(text) >= LOG_LIMIT:
            text += "\nThe log ends here: it has become too long.\n"
        self.put("log", scope={"vm": vm}, text=text)

    def step(self, name, vms, outcome, error=None):
        if vms:
            fields = {"error": error} if error else {}
            self.put("step", name=name, vms=vms, outcome=outcome, **fields)


def main(words):
    os.umask(0o077)
    if len(words) == 3 and words[0] == "start":
        print(json.dumps(start(int(words[1]), words[2])))
        return 0
    if len(words) == 3 and words[0] == "follow":
        return follow(int(words[1]), int(words[2]))
    if len(words) == 2 and words[0] == "kill":
        with Lock():
            kill(int(words[1]))
        return 0
    if len(words) == 3 and words[0] == "run":
        sys.path.insert(0, HERE)
        import steps

        return steps.run(sys.modules["__main__"], int(words[1]), words[2])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        os._exit(1)
