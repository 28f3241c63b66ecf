"""Reaching the VMs and bringing them to where Ansible can work: one SSH session each, all at once.

What is done there is in basic.sh; passwords and keys go through standard input and files that only we can read.
"""

import os
import shlex
import socket
import subprocess
import threading
import time

CONNECT = 10
REFUSALS = 5
REFUSED = 5


class Failed(Exception):
    """A VM that cannot take part; the text is for its log."""


class Refused(Exception):
    """A credential that was not accepted."""


class Unreached(Exception):
    """No connection; worth another try."""


def banner(address, timeout):
    """Whether an address speaks SSH."""
    with socket.create_connection(tuple(address), timeout=timeout) as connection:
        connection.settimeout(timeout)
        return connection.recv(4).startswith(b"SSH")


def first_to_answer(addresses):
    """The first of the addresses that speaks SSH, by preference where several do; all are asked at once."""
    answers, done = [None] * len(addresses), threading.Condition()

    def ask(index, address):
        try:
            answer = banner(address, CONNECT)
        except OSError:
            answer = False
        with done:
            answers[index] = answer
            done.notify()

    for index, address in enumerate(addresses):
        threading.Thread(target=ask, args=(index, address), daemon=True).start()
    def best():
        return next((address for address, answer in zip(addresses, answers) if answer), None)

    with done:
        done.wait_for(lambda: any(answers) or None not in answers, CONNECT)
        # A better address gets a moment after a worse one has answered.
        done.wait_for(lambda: None not in answers[: answers.index(True) if True in answers else 0], 0.2)
        return best()


class Attendant:
    """Looks after one VM until it is ready for Ansible."""

    def __init__(self, run, node):
        self.run = run
        self.node = node
        self.vm = node["vm"]
        self.keys = run.tools.run_path(run.number, "keys")

    def log(self, text):
        self.run.events.log(self.vm, text)

    def secret_file(self, name, text):
        name = os.path.join(self.keys, "%s_%s" % (self.vm, name))
        self.run.tools.write(name, text)
        return name

    def credentials(self):
        """What to try, in order."""
        node = self.node
        offers = [(kind, node.get(kind)) for kind in ("password", "private_key", "new_password", "new_private_key")]
        offers = [(kind, secret) for kind, secret in offers if secret]
        ours = ("infrastructure_key", None)
        return [ours] + offers if node["contextualized"] else offers + [ours]

    def script(self):
        """basic.sh with what it has to know."""
        node = self.node
        words = {
            "IM_FQDN": node["fqdn"],
            "IM_USER_KEY": self.run.public_key,
            "IM_NEW_KEY": node.get("new_public_key") or "",
            "IM_NEW_PASSWORD": node.get("new_password") or "",
            "IM_PASSWORD": node.get("password") or "",
            "IM_NAT": "yes" if node.get("nat") else "",
        }
        lines = ["%s=%s" % (name, shlex.quote(value)) for name, value in words.items()]
        parts = [self.run.tools.read(os.path.join(self.run.tools.HERE, name)) for name in ("root.sh", "basic.sh")]
        return ("\n".join(lines + parts)).encode()

    def command(self, address, kind, secret):
        """The command to log in with one credential, and its environment."""
        options = {
            "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "GlobalKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR", "ConnectTimeout": str(CONNECT), "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4", "ControlMaster": "no", "ControlPath": "none", "IdentitiesOnly": "yes",
        }
        command, environment = ["ssh", "-F", "/dev/null", "-T", "-x", "-a"], dict(os.environ)
        environment.pop("SSH_AUTH_SOCK", None)
        if kind.endswith("password"):
            options.update({"PubkeyAuthentication": "no", "NumberOfPasswordPrompts": "1",
                            "PreferredAuthentications": "password,keyboard-interactive"})
            environment.update({"SSH_ASKPASS": os.path.join(self.run.tools.HERE, "askpass.sh"), "SSH_ASKPASS_REQUIRE": "force",
                                "DISPLAY": ":0", "IM_ANSWER": self.secret_file("answer", secret + "\n")})
        else:
            key = self.run.tools.path("ansible_key")
            if kind != "infrastructure_key":
                key = self.secret_file(kind, secret.replace("\r", "").strip() + "\n")
            options.update({"BatchMode": "yes", "PreferredAuthentications": "publickey"})
            command += ["-i", key]
        for name, value in options.items():
            command += ["-o", "%s=%s" % (name, value)]
        return command + ["-p", str(address[1]), "-l", self.node["user"], address[0], "sh", "-s"], environment

    def session(self, command, environment, reached=None):
        """Runs basic.sh by a command; tells of what it does."""
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read(1 << 16)), daemon=True)
        reader.start()
        timer = threading.Timer(self.run.plan["wait_nodes"], process.kill)
        timer.start()
        failure = None
        try:
            try:
                process.stdin.write(self.script())
                process.stdin.close()
            except BrokenPipeError:
                pass
            for line in process.stdout:
                line = line.decode("utf-8", "replace").rstrip("\n")
                word, _, rest = line.partition(" ")
                if word == "::im::reached":
                    if reached:
                        reached()
                elif word == "::im::credentials":
                    self.run.events.put("credentials", vm=self.vm, password="password" in rest, key="key" in rest)
                elif word == "::im::become":
                    self.node["become"] = rest
                elif word == "::im::failed":
                    failure = rest
                elif line:
                    self.log(line + "\n")
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
        reader.join(5)
        said = b"".join(errors).decode("utf-8", "replace").strip()
        if code == 255 and failure is None:
            if "ermission denied" in said or "uthentication" in said:
                raise Refused(said)
            raise Unreached(said or "the connection ended")
        if code != 0 or failure is not None:
            raise Failed(failure or said or "exit code %s" % code)

    def attend(self):
        """Reaches the VM and does basic.sh there. Raises Failed."""
        if self.node["master"]:
            self.run.events.step("wait_all_ssh", [self.vm], "succeeded")
            self.run.events.step("basic", [self.vm], "started")
            return self.basic(lambda: self.session(["sh", "-s"], dict(os.environ)))
        events, until = self.run.events, time.monotonic() + self.run.plan["wait_nodes"]
        events.step("wait_all_ssh", [self.vm], "started")
        pause, refusals, last = 0.05, 0, "nothing answers"
        told = []
        while True:
            address = first_to_answer(self.node["addresses"])
            if address:
                try:
                    return self.try_all(address, told)
                except Refused as error:
                    refusals, last, pause = refusals + 1, str(error), REFUSED
                except Unreached as error:
                    last = str(error)
            if refusals >= REFUSALS or time.monotonic() + pause >= until:
                shown = ", ".join("%s port %s" % tuple(address) for address in self.node["addresses"])
                error = "no SSH access as %s (%s): %s" % (self.node["user"], shown, last)
                events.step("wait_all_ssh" if not told else "basic", [self.vm], "failed", error)
                raise Failed(error)
            time.sleep(pause)
            pause = min(pause * 2, 1)

    def try_all(self, address, told):
        refused = None
        for kind, secret in self.credentials():
            def reached(kind=kind):
                self.node["address"] = address
                if not told:
                    told.append(kind)
                    self.run.events.put("reached", vm=self.vm, host=address[0], port=address[1], credential=kind)
                    self.run.events.step("wait_all_ssh", [self.vm], "succeeded")
                    self.run.events.step("basic", [self.vm], "started")
                if kind.startswith("new_"):
                    self.run.events.put("credentials", vm=self.vm, password=kind == "new_password",
                                        key=kind == "new_private_key")
            command, environment = self.command(address, kind, secret)
            try:
                return self.basic(lambda: self.session(command, environment, reached))
            except Refused as error:
                refused = error
        raise refused or Refused("there is no credential to offer")

    def basic(self, session):
        events = self.run.events
        try:
            session()
        except Failed as error:
            self.log("ERROR executing task basic: %s\n" % error)
            events.step("basic", [self.vm], "failed", str(error))
            raise
        self.log("Task basic finished successfully\n")
        events.step("basic", [self.vm], "succeeded")
