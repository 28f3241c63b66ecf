"""What Ansible does, as text per host, to the runner."""

import json
import os
import socket
from datetime import datetime

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: im_events
    type: stdout
    short_description: text per host, to the runner
    description: Sends what happens to each host to the runner, in the form that people know.
"""

PIECE = 60000


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "im_events"

    def __init__(self):
        super().__init__()
        self.channel = socket.socket(fileno=os.dup(int(os.environ["IM_CHANNEL"])))
        self.unit = int(os.environ["IM_UNIT"])
        self.one_log = os.environ.get("IM_ONE_LOG") == "1"
        self.play = ""
        self.shown_play, self.shown_task, self.handlers = {}, {}, set()

    def get_option(self, k, *more):
        # Options of the standard form, which CallbackBase asks for.
        try:
            return super().get_option(k, *more)
        except (KeyError, AttributeError):
            return {"display_failed_stderr": False, "result_format": "json"}.get(k)

    def send(self, **fields):
        fields["unit"] = self.unit
        self.channel.send(json.dumps(fields).encode())

    def say(self, host, text):
        for start in range(0, len(text), PIECE // 4):
            self.send(host=host, text=text[start:start + PIECE // 4])

    def banner(self, text):
        text = text.strip() + " "
        return "\n" + text + "*" * max(79 - len(text), 3) + "\n"

    def head(self, host, task):
        """The heads of play and task, once for each log: that of the one VM, or those of the hosts."""
        text = ""
        host = None if self.one_log else host
        if self.shown_play.get(host) is not self.play:
            self.shown_play[host] = self.play
            text += self.banner("PLAY [%s]" % self.play)
        if task is not None and self.shown_task.get(host) != task._uuid:
            self.shown_task[host] = task._uuid
            kind = "RUNNING HANDLER" if task._uuid in self.handlers else "TASK"
            text += self.banner("%s [%s]" % (kind, task.get_name().strip()))
            text += datetime.now().strftime("%A %d %B %Y  %H:%M:%S.%f") + "\n"
        return text

    def result(self, result, word, more="", dump=None, item=False):
        host = result._host.get_name()
        delegated = (result._result.get("_ansible_delegated_vars") or {}).get("ansible_host")
        if getattr(result._task, "delegate_to", None):
            delegated = (result._result.get("_ansible_delegated_vars") or {}).get("ansible_delegated_host") \
                or delegated or str(result._task.delegate_to)
        where = "%s -> %s" % (host, delegated) if delegated else host
        text = self.head(host, result._task) + "%s: [%s]%s" % (word, where, more)
        if item:
            text += " %s(item=%s)" % ("" if word == "failed" else "=> ", self._get_item_label(result._result))
        if dump or (dump is None and self._run_is_verbose(result)):
            text += " => " + self._dump_results(result._result)
        self.warn(host, result._result)
        self.say(host, text + "\n")

    def failure(self, result):
        """Why a host fails, in one line."""
        why = str(result._result.get("msg") or result._result.get("stderr") or "").strip()
        self.send(failure="task '%s': %s" % (result._task.get_name().strip(), why[:400]), host=result._host.get_name())

    def warn(self, host, result):
        for warning in result.pop("warnings", None) or ():
            self.say(host, "[WARNING]: %s\n" % getattr(warning, "event", warning))
        for name in ("deprecations", "exception"):
            result.pop(name, None)

    # Plays and tasks

    def v2_playbook_on_play_start(self, play):
        self.play = play.get_name().strip()

    def v2_playbook_on_handler_task_start(self, task):
        self.handlers.add(task._uuid)

    def v2_runner_on_start(self, host, task):
        text = self.head(host.get_name(), task)
        if text:
            self.say(host.get_name(), text)
            self.send(host=host.get_name(), task=task.get_name().strip())

    def v2_playbook_on_include(self, included_file):
        for host in included_file._hosts:
            name = host.get_name()
            self.say(name, "included: %s for %s\n" % (included_file._filename, name))

    def v2_playbook_on_no_hosts_matched(self):
        self.say(None, "skipping: no hosts matched\n")

    def v2_playbook_on_vars_prompt(self, *args, **kwargs):
        pass

    # Results

    def v2_runner_on_ok(self, result):
        if "results" in result._result and getattr(result._task, "loop", None):
            self.warn(result._host.get_name(), result._result)
            return
        if result._task.action in ("include_tasks", "include_role", "ansible.builtin.include_tasks",
                                   "ansible.builtin.include_role", "include"):
            return
        changed = result._result.get("changed", False)
        self._clean_results(result._result, result._task.action)
        self.result(result, "changed" if changed else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if "results" in result._result and getattr(result._task, "loop", None):
            self.warn(result._host.get_name(), result._result)
            host = result._host.get_name()
            if not ignore_errors:
                text = self.head(host, result._task)
                self.say(host, text + "fatal: [%s]: FAILED! => %s\n" % (
                    host, json.dumps({"msg": str(result._result.get("msg", "One or more items failed"))})))
        else:
            self._clean_results(result._result, result._task.action)
            self.result(result, "fatal", ": FAILED!", True)
        if not ignore_errors:
            self.failure(result)
        if ignore_errors:
            self.say(result._host.get_name(), "...ignoring\n")

    def v2_runner_on_unreachable(self, result):
        self.result(result, "fatal", ": UNREACHABLE!", True)
        self.failure(result)

    def v2_runner_on_skipped(self, result):
        if "results" in result._result and getattr(result._task, "loop", None):
            return
        self.result(result, "skipping", dump=False)

    def v2_runner_item_on_ok(self, result):
        self._clean_results(result._result, result._task.action)
        if result._task.action in ("include_tasks", "ansible.builtin.include_tasks"):
            return
        verbose = self._run_is_verbose(result)
        self.result(result, "changed" if result._result.get("changed", False) else "ok", dump=verbose, item=True)

    def v2_runner_item_on_failed(self, result):
        self._clean_results(result._result, result._task.action)
        self.result(result, "failed", dump=True, item=True)

    def v2_runner_item_on_skipped(self, result):
        self.result(result, "skipping", dump=False, item=True)

    def v2_runner_retry(self, result):
        left = result._result.get("retries", 0) - result._result.get("attempts", 0)
        host = result._host.get_name()
        self.say(host, "FAILED - RETRYING: [%s]: %s (%d retries left).\n" % (
            host, result._task.get_name().strip(), left))

    # The end

    def v2_playbook_on_stats(self, stats):
        failed = []
        for host in sorted(stats.processed):
            sums = stats.summarize(host)
            line = "%-26s : ok=%-4d changed=%-4d unreachable=%-4d failed=%-4d skipped=%-4d rescued=%-4d ignored=%-4d" % (
                host, sums["ok"], sums["changed"], sums["unreachable"], sums["failures"], sums["skipped"],
                sums["rescued"], sums["ignored"])
            self.say(host, self.banner("PLAY RECAP") + line + "\n\n")
            if sums["unreachable"] or sums["failures"]:
                failed.append(host)
        self.send(stats=sorted(stats.processed), failed=failed)
