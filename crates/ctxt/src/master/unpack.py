import json, os, shutil, sys
source = sys.stdin.buffer
head = json.loads(source.readline())
base, number = head["dir"], str(head["number"])
parent = os.path.dirname(base)
if not os.path.isdir(parent):
    os.makedirs(parent, exist_ok=True)
    os.chmod(parent, 0o1777)
os.umask(0o077)
os.makedirs(base, mode=0o700, exist_ok=True)
if os.lstat(base).st_uid != os.geteuid() or os.path.islink(base):
    sys.exit("%s belongs to somebody else" % base)
os.chmod(base, 0o700)
run = os.path.join(base, "runs", number)
if not os.path.exists(os.path.join(run, "pid")):
    fresh = run + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    for path, mode, size in head["files"]:
        path = os.path.join(fresh, path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(source.read(size))
            if file.tell() != size:
                sys.exit("the stream ended too early")
        os.chmod(path, mode)
    shutil.rmtree(run, ignore_errors=True)
    os.rename(fresh, run)
