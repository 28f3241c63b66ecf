# Which collections do recipes need that Ansible does not have? Recipes come in as JSON; prints JSON.
import json, os, re, sys

import yaml
import ansible

# Loading as little as can be: this runs before every run. Names in these lists are of Ansible itself or of Jinja;
# others are looked up in the long table of plugins that have moved into collections.
KEYWORDS = set("""action any_errors_fatal args async become become_exe become_flags become_method become_user
    changed_when check_mode collections connection debugger delay delegate_facts delegate_to diff environment
    failed_when ignore_errors ignore_unreachable listen local_action loop loop_control module_defaults name no_log
    notify poll port register remote_user retries run_once tags throttle timeout until vars when""".split())
FILTERS = set("""abs b64decode b64encode basename bool combine d default dict2items difference dirname extract first
    flatten float from_json from_yaml groupby hash indent int intersect items2dict join last length list lower map max
    min password_hash quote regex_escape regex_findall regex_replace regex_search reject rejectattr replace reverse
    round select selectattr sort split string sum ternary to_json to_nice_json to_nice_yaml to_yaml trim type_debug
    union unique upper urlsplit version zip""".split())

given = json.load(sys.stdin)
root = os.path.dirname(ansible.__file__)
paths = given["paths"] + [os.path.dirname(root), os.path.expanduser("~/.ansible/collections"), "/usr/share/ansible/collections"]


def names(folder):
    try:
        return {name[:-3] for name in os.listdir(os.path.join(root, *folder)) if name.endswith(".py")}
    except OSError:
        return set()


ROUTES = {}


def routes(kind):
    if not ROUTES:
        with open(os.path.join(root, "config", "ansible_builtin_runtime.yml")) as file:
            ROUTES.update(yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["plugin_routing"])
    return ROUTES.get(kind) or {}


MODULES = names(["modules"]) | names(["plugins", "action"]) | {"include", "include_role", "import_role", "meta"}
LOOKUPS = names(["plugins", "lookup"]) | {"sequence"}
needed = set()


def want(kind, name, known):
    """A plugin by its name: the collection that has it."""
    if name.count(".") >= 2:
        collection = ".".join(name.split(".")[:2])
        if collection not in ("ansible.builtin", "ansible.legacy"):
            needed.add(collection)
    elif "." not in name and name not in known:
        route = routes(kind).get(name) or {}
        if route.get("redirect"):
            want(kind, route["redirect"], known)


def tasks(nodes):
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, dict):
            continue
        for key, value in node.items():
            if key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                tasks(value)
            elif key in ("action", "local_action") and isinstance(value, str) and value.split():
                want("modules", value.split()[0], MODULES)
            elif isinstance(key, str) and key.startswith("with_"):
                want("lookup", key[5:], LOOKUPS)
            elif isinstance(key, str) and key not in KEYWORDS:
                want("modules", key, MODULES)


class Loose(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    pass


Loose.add_multi_constructor("", lambda loader, suffix, node: None)
for text in given["recipes"]:
    try:
        tasks(yaml.load(text, Loader=Loose))
    except yaml.YAMLError:
        continue
    for name in set(re.findall(r"\|\s*([A-Za-z_][\w.]*)", text)) - set(FILTERS):
        want("filter", name, ())
    for name in set(re.findall(r"\b(?:lookup|query|q)\(\s*['\"]([\w.]+)", text)):
        want("lookup", name, LOOKUPS)
    for name in set(re.findall(r"\bis\s+(?:not\s+)?([a-z_]\w*(?:\.\w+)+)", text)):
        want("test", name, ())

missing = [name for name in sorted(needed)
           if not any(os.path.isdir(os.path.join(path, "ansible_collections", *name.split("."))) for path in paths)]
json.dump(missing, sys.stdout)
