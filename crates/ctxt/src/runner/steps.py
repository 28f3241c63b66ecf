"""The steps of a run: every VM made ready, `main`, then the steps of the user, one after another.

Ansible is loaded once, in a process of its own (see warm.py), which forks for each playbook. A VM that fails a step
gets no further ones and ends unconfigured; the others go on.
"""

import json
import os
import queue
import shutil
import subprocess
import threading
import time

import nodes
import playbooks
import warm

MAX_TIME = "ERROR: Max contextualization time passed."


class Run:
    """A run."""

    def __init__(self, tools, number, playbook):
        self.tools = tools
        self.number = number
        self.playbook = playbook
        self.plan = json.loads(tools.read(tools.run_path(number, "plan.json")))
        self.events = tools.Events(tools.run_path(number, "events"))
        self.public_key = tools.read(tools.path("ansible_key.pub")).strip()
        self.nodes = {node["vm"]: node for node in self.plan["nodes"]}
        self.names = {node["name"]: node["vm"] for node in self.plan["nodes"]}
        self.going = list(self.nodes)
        self.inbox = queue.Queue()
        self.units = {}
        self.warm = None
        self.built = set()
        self.deadline = time.monotonic() + self.plan["time_left"]
        os.makedirs(tools.run_path(number, "keys"), mode=0o700, exist_ok=True)

    # Messages

    def wait(self, until=None):
        """The next message for this thread; none when the moment has come."""
        while True:
            now = time.monotonic()
            if now >= self.deadline:
                raise OutOfTime
            if self.tools.highest() > self.number:
                raise GivenWay
            if until is not None and now >= until:
                return None
            ends = [now + 1, self.deadline] + ([until] if until is not None else [])
            try:
                message = self.inbox.get(timeout=max(min(ends) - now, 0.001))
            except queue.Empty:
                continue
            if isinstance(message, dict) and "gone" in message:
                log = self.tools.read(self.tools.run_path(self.number, "runner.log"))
                raise Broken("the process that runs Ansible has died: " + log.strip()[-1000:])
            return message

    def fail(self, vm, error):
        """A VM leaves the run."""
        if vm in self.going:
            self.going.remove(vm)
            self.events.put("vm_done", vm=vm, ok=False, error=error)

    # Ready for Ansible

    def make_ready(self):
        """Reaches all VMs; installs roles and collections meanwhile."""
        jobs = [(vm, nodes.Attendant(self, node).attend) for vm, node in self.nodes.items()]
        if self.plan["roles"] or self.plan["collections"]:
            jobs.append(("galaxy", self.install_galaxy))
        for name, job in jobs:
            threading.Thread(target=self.work, args=(name, job), daemon=True).start()
        waiting = {name for name, _ in jobs}
        while waiting:
            name, error = self.wait()
            waiting.discard(name)
            if error and name == "galaxy":
                self.events.header("Error installing roles and collections: %s" % error)
                self.galaxy_error = error
            elif error:
                self.events.log(name, "%s\n" % error)
                self.fail(name, error)
        if getattr(self, "galaxy_error", None):
            self.fail(self.plan["master"], "roles and collections could not be installed: %s" % self.galaxy_error)

    def work(self, name, job):
        error = None
        try:
            job()
        except nodes.Failed as failed:
            error = str(failed)
        except Exception as unexpected:  # One VM's trouble must not be that of all.
            error = "%s: %s" % (type(unexpected).__name__, unexpected)
        self.inbox.put((name, error))

    def install_galaxy(self):
        """Roles and collections, for this infrastructure only."""
        tools, galaxy = self.tools, os.path.join(os.path.dirname(self.playbook), "ansible-galaxy")
        environment = dict(os.environ, ANSIBLE_CONFIG=tools.path("ansible.cfg"))
        self.install_git()
        for kind, folder in (("roles", "roles"), ("collections", "collections")):
            wanted = self.plan[kind]
            if not wanted:
                continue
            file = tools.run_path(self.number, "galaxy_%s.yml" % kind)
            tools.write(file, json.dumps({kind: wanted}))
            os.makedirs(tools.path(folder), mode=0o700, exist_ok=True)
            command = [galaxy, "role" if kind == "roles" else "collection", "install", "-c", "-r", file,
                       "-p", tools.path(folder)]
            for attempt in range(5):
                done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, cwd=tools.BASE, check=False)
                if done.returncode == 0:
                    break
                if attempt == 4:
                    raise nodes.Failed(done.stdout.decode("utf-8", "replace")[-2000:])
                time.sleep(2 * (attempt + 1))

    def install_git(self):
        """git, if something is to be fetched with it."""
        entries = self.plan["roles"] + self.plan["collections"]
        if shutil.which("git") or not any(entry.get("type") == "git" or entry.get("src", "").startswith("git+")
                                          for entry in entries):
            return
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        script = ("if command -v apt-get >/dev/null; then apt-get -qq install -y --no-install-recommends git || "
                  "{ apt-get -qq update; apt-get -qq install -y --no-install-recommends git; }; "
                  "elif command -v dnf >/dev/null; then dnf -q install -y git; else yum -q install -y git; fi")
        done = subprocess.run(root + ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"), check=False)
        if done.returncode != 0:
            raise nodes.Failed("git could not be installed: " + done.stdout.decode("utf-8", "replace")[-1000:])

    def write_inventory(self):
        """Tells the inventory where the VMs have answered and how to become root there."""
        tools = self.tools
        inventory = json.loads(tools.read(tools.path("hosts")))
        texts = self.plan["texts"]
        for group in inventory["all"]["children"].values():
            for name, variables in (group.get("hosts") or {}).items():
                node = self.nodes.get(self.names.get(name))
                if node and variables and "address" in node and not node["master"]:
                    host, port = node["address"]
                    for key, value in (("ansible_host", host), ("ansible_ssh_host", host), ("ansible_port", port),
                                       ("ansible_ssh_port", port)):
                        variables[key] = value
        if self.refers("IM_INFRASTRUCTURE_AUTH") and texts["auth"]:
            inventory["all"]["vars"]["IM_INFRASTRUCTURE_AUTH"] = unsafe(texts["auth"])
        tools.write(tools.path("hosts"), json.dumps(inventory, indent=1))
        os.makedirs(tools.path("host_vars"), mode=0o700, exist_ok=True)
        token = texts["auth"] if ":" not in texts["auth"] else ""
        for node in self.nodes.values():
            own = {}
            if node.get("become"):
                own["ansible_become_password"] = unsafe(node["become"])
            if token and (node["vm"] in self.plan["bearers"] or self.roles_refer("BEARER_TOKEN")):
                own["IM_BEARER_TOKEN"] = unsafe(token)
            if own:
                tools.write(tools.path("host_vars", node["name"] + ".json"), json.dumps(own))

    def refers(self, word):
        return word in self.plan["referred"] or self.roles_refer(word)

    def roles_refer(self, word):
        if not self.plan["roles"]:
            return False
        return subprocess.run(["grep", "-rqF", word, self.tools.path("roles")], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    # Playbooks

    def launch(self, vms, host, playbook, extra=()):
        """Runs a playbook; answers the number of the unit."""
        unit = len(self.units) + 1
        out = self.tools.run_path(self.number, "out.%d" % unit)
        forks = max(2, len(vms))
        words = ["ansible-playbook", "-i", self.tools.path("hosts"), "-f", str(forks), "--timeout", "30",
                 "--private-key", self.tools.path("ansible_key"), "-e", json.dumps({"IM_HOST": host})]
        self.units[unit] = {"vms": vms, "stats": None, "failed": [], "why": {}, "out": out}
        self.warm.launch(unit, words + list(extra) + [playbook], out, len(vms) == 1)
        return unit

    def hear(self, message):
        """Takes in what a unit says; answers its number once it has ended."""
        unit = self.units[message["unit"]]
        if "text" in message:
            vm = self.names.get(message.get("host"))
            targets = [vm] if vm in unit["vms"] else unit["vms"]
            for target in targets:
                self.events.log(target, message["text"])
        elif "failure" in message:
            vm = self.names.get(message.get("host"))
            unit["why"].setdefault(vm if vm in unit["vms"] else unit["vms"][0], message["failure"])
        elif "stats" in message:
            unit["stats"], unit["failed"] = message["stats"], message["failed"]
        elif "exit" in message:
            unit["exit"] = message["exit"]
            unit["said"] = self.tools.read(unit["out"])
            try:
                os.unlink(unit["out"])
            except OSError:
                pass
            return message["unit"]
        return None

    def main_step(self):
        """`main` of all VMs in one process: facts, hosts file, disks, applications. Answers none."""
        vms = [vm for vm in self.going if not self.nodes[vm]["windows"]]
        attempt, last = 0, {}
        self.each_system("main_%s", vms, "started")
        for vm in vms:
            self.events.log(vm, "Launch task: main_%s\n" % self.nodes[vm]["system"])
        while vms:
            unit = self.launch(vms, ",".join(self.nodes[vm]["name"] for vm in vms),
                               self.tools.run_path(self.number, "main.yml"))
            while self.hear(self.wait()) != unit:
                pass
            unit = self.units[unit]
            good = [vm for vm in vms if unit["stats"] is not None and self.nodes[vm]["name"] in unit["stats"]
                    and self.nodes[vm]["name"] not in unit["failed"]]
            bad = [vm for vm in vms if vm not in good]
            self.each_system("main_%s", good, "succeeded")
            for vm in good:
                self.events.log(vm, "Task main_%s finished successfully\n" % self.nodes[vm]["system"])
            attempt += 1
            for vm in bad:
                last[vm] = unit["said"].strip() if unit["stats"] is None else ""
                self.events.log(vm, "%sERROR executing task main_%s: (%d/%d)\n" % (
                    last[vm] + "\n" if last[vm] else "", self.nodes[vm]["system"], attempt, self.plan["retries"]))
            if not bad or attempt >= self.plan["retries"]:
                for vm in bad:
                    error = unit["why"].get(vm) or first_line(last[vm]) or "a task failed; its log says which"
                    self.events.step("main_" + self.nodes[vm]["system"], [vm], "failed", error)
                    self.fail(vm, error)
                return
            vms = bad
            until = time.monotonic() + 5 * attempt * attempt
            while self.wait(until) is not None:
                pass

    def each_system(self, name, vms, outcome):
        by_system = {}
        for vm in vms:
            by_system.setdefault(self.nodes[vm]["system"], []).append(vm)
        for system, members in by_system.items():
            self.events.step(name % system, members, outcome)

    def user_step(self, step):
        """One step of the user: all VMs at the same time, the configures of one VM one after another."""
        todo = {}
        for vm in self.going:
            system = self.nodes[vm]["system"]
            items = [item["configure"] for item in step["items"] if item["system"] == system]
            if items and (self.plan["only"] is None or vm in self.plan["only"]):
                todo[vm] = items
        running, waiting = {}, []
        for vm in todo:
            self.next_of(vm, todo, running, waiting, 1)
        while running or waiting:
            until = min(moment for moment, _, _ in waiting) if waiting else None
            message = self.wait(until)
            for entry in [entry for entry in waiting if entry[0] <= time.monotonic()]:
                waiting.remove(entry)
                self.next_of(entry[1], todo, running, waiting, entry[2])
            if message is None:
                continue
            ended = self.hear(message)
            if ended in running:
                self.ended(running.pop(ended), self.units[ended], todo, running, waiting)

    def next_of(self, vm, todo, running, waiting, attempt):
        """Starts the next configure of a VM."""
        node = self.nodes[vm]
        configure = todo[vm][0]
        name = "%s_%s" % (configure, node["system"])
        self.events.log(vm, "Launch task: %s\n" % name)
        if attempt == 1:
            self.events.step(name, [vm], "started")
        playbook = self.tools.path(name + "_task.yml")
        password = self.plan["vaults"].get(node["system"])
        extra = []
        try:
            if name not in self.built:
                playbooks.build(self.tools, self.tools.path(configure + ".yml"), playbook, not node["windows"], password)
                self.built.add(name)
            if password:
                file = self.tools.run_path(self.number, "keys", "vault_%d" % vm)
                self.tools.write(file, password + "\n")
                extra = ["--vault-id", "default@" + file]
        except playbooks.BadRecipe as error:
            self.events.log(vm, "%s\nERROR executing task %s: (1/1)\n" % (error, name))
            self.events.step(name, [vm], "failed", str(error))
            self.fail(vm, str(error))
            return
        running[self.launch([vm], node["name"], playbook, extra)] = (vm, name, attempt)

    def ended(self, what, unit, todo, running, waiting):
        vm, name, attempt = what
        if unit["exit"] == 0:
            self.events.log(vm, "Task %s finished successfully\n" % name)
            self.events.step(name, [vm], "succeeded")
            todo[vm].pop(0)
            if todo[vm]:
                self.next_of(vm, todo, running, waiting, 1)
            return
        if unit["said"].strip():
            self.events.log(vm, unit["said"].strip() + "\n")
        self.events.log(vm, "ERROR executing task %s: (%d/%d)\n" % (name, attempt, self.plan["retries"]))
        if attempt < self.plan["retries"]:
            waiting.append((time.monotonic() + 5 * attempt * attempt, vm, attempt + 1))
            return
        error = unit["why"].get(vm) or first_line(unit["said"]) or "exit code %s" % unit["exit"]
        self.events.step(name, [vm], "failed", error)
        self.fail(vm, error)

    # The whole

    def steps(self):
        self.make_ready()
        self.write_inventory()
        for name in self.plan["recipes"]:
            playbooks.modernize(self.tools.path(name + ".yml"), self.tools)
        self.main_step()
        for step in self.plan["steps"]:
            self.user_step(step)

    def run(self):
        self.warm = warm.Warm(self)
        error = None
        try:
            self.steps()
        except OutOfTime:
            error = MAX_TIME
            self.events.header(MAX_TIME)
        except GivenWay:
            return 3
        except Broken as broken:
            error = str(broken)
            self.events.header("Error: " + error)
        except Exception as unexpected:
            import traceback

            traceback.print_exc()
            error = "the runner failed: %s: %s" % (type(unexpected).__name__, unexpected)
            self.events.header("Error: " + error)
        finally:
            self.warm.kill()
            if error:
                self.tools.kill(self.number)
        well = len(self.going) == len(self.nodes) and error is None
        for vm in list(self.going):
            if error:
                self.fail(vm, error)
            else:
                self.events.put("vm_done", vm=vm, ok=True)
        self.events.put("finished", ok=well, **({"error": error} if error else {}))
        self.forget()
        self.tools.write(self.tools.run_path(self.number, "status.json"), json.dumps({"ok": well}))
        return 0

    def forget(self):
        """Secrets that nobody needs after the run."""
        for folder in ("keys", "tmp"):
            shutil.rmtree(self.tools.run_path(self.number, folder), ignore_errors=True)
        try:
            os.unlink(self.tools.run_path(self.number, "plan.json"))
        except OSError:
            pass


class OutOfTime(Exception):
    """The run may not take longer."""


class Broken(Exception):
    """What a run cannot do without is gone."""


class GivenWay(Exception):
    """A newer run is there."""


def first_line(text):
    return next((line for line in text.splitlines() if line.strip() and "WARNING" not in line), "")[:500]


def unsafe(text):
    """A text that Ansible must not take for a template."""
    return {"__ansible_unsafe": text} if "{" in text else text


def run(tools, number, playbook):
    return Run(tools, number, playbook).run()
