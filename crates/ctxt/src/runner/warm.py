"""Ansible, loaded once: a process that forks for each playbook, so that a playbook costs no start.

It is forked before any thread is, and speaks over two sockets: orders come in on one, what happens goes out on the
other, from it and from all its children; each message arrives whole.
"""

import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings

# Where Ansible keeps modules that it has packed, below its folder.
PACKED = "ansiballz_cache"


class Warm:
    """The process, seen from the run."""

    def __init__(self, run):
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.news, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.inbox = run.inbox
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self.orders.close()
                self.news.close()
                serve(run.tools, run.number, theirs, channel)
                code = 0
            except BaseException:  # Nothing may return into the copy of the run.
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        theirs.close()
        channel.close()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            message = self.news.recv(1 << 18)
            if not message:
                self.inbox.put({"gone": True})
                return
            self.inbox.put(json.loads(message))

    def launch(self, unit, words, out, one_log):
        order = {"unit": unit, "words": words, "out": out, "one_log": one_log}
        self.orders.send(json.dumps(order).encode())

    def kill(self):
        self.orders.close()
        try:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        except OSError:
            pass


def serve(tools, number, orders, channel):
    """The life of the process."""
    os.chdir(tools.BASE)
    # That of a log-in: what recipes make on the master, over a local connection, is for all as elsewhere.
    os.umask(0o022)
    os.environ["ANSIBLE_CONFIG"] = tools.path("ansible.cfg")
    # What Ansible writes on the way holds secrets now and then: it goes with the run.
    os.environ["ANSIBLE_LOCAL_TEMP"] = tools.run_path(number, "tmp")
    for name in ("LC_ALL", "LANG"):
        if "UTF" not in os.environ.get(name, "").upper():
            os.environ[name] = "C.UTF-8"
    os.set_inheritable(channel.fileno(), True)
    os.environ["IM_CHANNEL"] = str(channel.fileno())
    sys.argv = ["ansible-playbook"]
    load()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children = {}

    def stop(*_):
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        ready, _, _ = select.select([orders, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            reap(children, channel)
        if orders in ready:
            order = orders.recv(1 << 18)
            if not order:
                stop()
            order = json.loads(order)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                play(order)
            children[pid] = order["unit"]


def reap(children, channel):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in children:
            code = os.waitstatus_to_exitcode(status)
            channel.send(json.dumps({"unit": children.pop(pid), "exit": code}).encode())


def load():
    """Loads what every playbook needs: the more here, the less in each child."""
    import ansible.cli.playbook
    import ansible.executor.playbook_executor
    import ansible.executor.task_queue_manager
    import ansible.template
    from ansible.plugins import loader

    try:
        loader.init_plugin_loader()
        warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
        # Reads the long table of plugins that have moved.
        importlib.import_module("ansible_collections.ansible.builtin")
        # The way Ansible itself asks for these; others are told apart by how they were first asked for.
        for kind in ("filter", "test", "callback"):
            for _ in getattr(loader, kind + "_loader").all(class_only=True):
                pass
        for kind, names in (("strategy", ("linear", "host_pinned")), ("connection", ("ssh", "local")),
                            ("become", ("sudo",)), ("shell", ("sh",)),
                            ("action", ("normal", "copy", "template", "command", "shell", "service", "package",
                                        "debug", "set_fact", "gather_facts", "assert", "include_vars"))):
            for name in names:
                getattr(loader, kind + "_loader").get(name, class_only=True)
        for name in ("setup", "command", "copy", "file", "stat", "apt", "service", "lineinfile", "systemd"):
            loader.module_loader.find_plugin(name)
        import ansible.executor.module_common
        import ansible.executor.powershell.module_manifest
    except Exception:  # Versions differ; a playbook loads what is missing here.
        import traceback

        traceback.print_exc()


def own_folder():
    """A folder of this child's own for what Ansible writes on the way: two that share one rename the same file away.
    Modules that others have packed are there already."""
    from ansible import constants

    shared = constants.DEFAULT_LOCAL_TMP
    own = tempfile.mkdtemp(prefix="ansible-local-", dir=os.path.dirname(shared))
    constants.DEFAULT_LOCAL_TMP = own
    share(os.path.join(shared, PACKED), os.path.join(own, PACKED))
    return shared, own


def share(source, target):
    """Packed modules of one folder in another one, too: whole ones, and none anew."""
    if not os.path.isdir(source):
        return
    os.makedirs(target, mode=0o700, exist_ok=True)
    for name in os.listdir(source):
        if not name.endswith("-part"):
            try:
                os.link(os.path.join(source, name), os.path.join(target, name))
            except OSError:
                pass


def play(order):
    """Runs one playbook, in a child. Never returns."""
    code, folders = 1, None
    try:
        folders = own_folder()
        out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        os.environ.update({"IM_UNIT": str(order["unit"]), "IM_ONE_LOG": "1" if order["one_log"] else "0"})
        from ansible.cli.playbook import PlaybookCLI

        sys.argv = order["words"]
        PlaybookCLI.cli_executor(order["words"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            if folders:
                shared, own = folders
                share(os.path.join(own, PACKED), os.path.join(shared, PACKED))
                shutil.rmtree(own, ignore_errors=True)
        finally:
            os._exit(code & 0xFF)
