"""Recipes to playbooks: each play of a recipe is merged into a header, tags and all.

Works on YAML nodes, not on values, so that custom tags (!vault, !unsafe) pass through untouched.
"""

import os

import yaml

try:
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeLoader as Loader

VAULTED = "$ANSIBLE_VAULT"
TASK_LISTS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
STR, BOOL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"


class BadRecipe(Exception):
    """A recipe that cannot become a playbook."""


def compose(text):
    try:
        return yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise BadRecipe("the recipe is not YAML: %s" % error)


def scalar(value, tag=STR):
    return yaml.ScalarNode(tag, value, style='"' if tag == STR else None)


def header(become):
    """What every play begins with."""
    pairs = [("hosts", scalar("{{ IM_HOST }}")), ("gather_facts", scalar("false", BOOL))]
    if become:
        pairs.append(("become", scalar("true", BOOL)))
    return [(scalar(key), value) for key, value in pairs]


def is_false(node):
    """Whether a value counts as nothing: such values of a recipe are dropped."""
    if isinstance(node, (yaml.SequenceNode, yaml.MappingNode)):
        return not node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return True
    if kind == "bool":
        return node.value.lower() in ("no", "false", "off", "n")
    if kind in ("int", "float"):
        try:
            return float(node.value) == 0
        except ValueError:
            return False
    return kind == "str" and not node.value


def merge_play(play, become):
    """One play merged into a copy of the header."""
    if not isinstance(play, yaml.MappingNode):
        raise BadRecipe("a recipe must be a list of plays, and each play a map; one item is none")
    merged = header(become)
    names = {key.value: index for index, (key, _) in enumerate(merged)}
    for key, value in play.value:
        if is_false(value):
            continue
        index = names.get(key.value)
        if index is None:
            names[key.value] = len(merged)
            merged.append((key, value))
            continue
        ours = merged[index][1]
        if key.value == "hosts":
            # Both: the VM itself, and whom the recipe names.
            more = value.value if isinstance(value, yaml.SequenceNode) else [value]
            value = yaml.SequenceNode("tag:yaml.org,2002:seq", [ours] + more)
        merged[index] = (key, value)
    return yaml.MappingNode("tag:yaml.org,2002:map", merged)


def merge(text, become):
    """The playbook of a recipe, as text."""
    node = compose(text)
    if not isinstance(node, yaml.SequenceNode):
        return "[]\n"
    plays = [merge_play(play, become) for play in node.value]
    return yaml.serialize(yaml.SequenceNode("tag:yaml.org,2002:seq", plays), width=1 << 20)


def old_includes(node, found):
    """The places of `include` among the tasks of a list."""
    if not isinstance(node, yaml.SequenceNode):
        return
    for task in node.value:
        if not isinstance(task, yaml.MappingNode):
            continue
        for key, value in task.value:
            if key.value == "include" and isinstance(value, yaml.ScalarNode):
                found.append((key.start_mark.index, key.end_mark.index))
            elif key.value in TASK_LISTS:
                old_includes(value, found)


def modern(text):
    """A recipe with `include`, which Ansible has dropped, as `include_tasks`."""
    if "include:" not in text or text.startswith(VAULTED):
        return text
    try:
        # The C loader counts bytes in some versions; positions must be those of characters.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    found = []
    old_includes(node, found)
    for start, end in sorted(found, reverse=True):
        text = text[:start] + "include_tasks" + text[end:]
    return text


def vault(password):
    from ansible.parsing.vault import VaultLib, VaultSecret

    return VaultLib([("default", VaultSecret(password.encode()))])


def build(tools, source, target, become, password):
    """Makes the playbook `target` of the recipe in `source`."""
    text = tools.read(source)
    if text.startswith(VAULTED):
        if not password:
            raise BadRecipe("the recipe is encrypted, and its system has no feature vault.password")
        try:
            text = vault(password).decrypt(text).decode()
        except Exception as error:  # Ansible raises kinds of its own, which differ between versions.
            raise BadRecipe("the recipe cannot be decrypted: %s" % error)
    text = merge(modern(text), become)
    if password:
        text = vault(password).encrypt(text.encode()).decode()
    tools.write(target, text)


def modernize(name, tools):
    """The same for a recipe that others include."""
    text = tools.read(name)
    fresh = modern(text)
    if fresh != text:
        tools.write(name, fresh, os.stat(name).st_mode & 0o777)
