"""Uses the proxy as a Python program would, with pymemcache's text client. Usage: pymemcache_check.py HOST PORT"""

import sys
import time

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError


def check(name, got, wanted):
    if got != wanted:
        sys.exit(f"{name}: want {wanted!r:.200}, got {got!r:.200}")


address = (sys.argv[1], int(sys.argv[2]))
# default_noreply is pymemcache's own default for writes; both kinds are used below.
quiet = Client(address, timeout=10)
client = Client(address, timeout=10, default_noreply=False)

names = [f"py:{index}" for index in range(500)]
values = {name: f"value {name}".encode() for name in names}
check("set_many", client.set_many(values), [])
check("get_many", client.get_many(names), values)
check("get_many in another order", client.get_many(names[::-1] + ["py:none"]), values)
check("gets_many", {key: value for key, (value, _) in client.gets_many(names).items()}, values)
check("delete_many", client.delete_many(names), True)
check("get_many after delete", client.get_many(names), {})

quiet.set_many({name: b"1" for name in names}, noreply=True)
check("get_many after noreply", quiet.get_many(names), {name: b"1" for name in names})
quiet.delete_many(names, noreply=True)
check("get_many after noreply delete", quiet.get_many(names), {})

check("get of none", client.get("py:none"), None)
check("get of none, default", client.get("py:none", default=5), 5)
check("add", client.add("py:a", "1"), True)
check("add again", client.add("py:a", "2"), False)
check("replace", client.replace("py:a", "3"), True)
check("replace of none", client.replace("py:none", "3"), False)
check("append", client.append("py:a", "45"), True)
check("prepend", client.prepend("py:a", "12"), True)
check("get joined", client.get("py:a"), b"12345")
check("append to none", client.append("py:none", "1"), False)
check("incr", client.incr("py:a", 5), 12350)
check("decr", client.decr("py:a", 50), 12300)
check("incr of none", client.incr("py:none", 1), None)
check("touch", client.touch("py:a", 100), True)
check("touch of none", client.touch("py:none", 100), False)
check("gat", client.gat("py:a", expire=50) if hasattr(client, "gat") else b"12300", b"12300")

value, token = client.gets("py:a")
check("gets", value, b"12300")
check("cas", client.cas("py:a", "new", token), True)
check("cas again", client.cas("py:a", "newer", token), False)
check("cas of none", client.cas("py:none", "x", token), None)
check("get after cas", client.get("py:a"), b"new")
check("delete", client.delete("py:a"), True)
check("delete again", client.delete("py:a"), False)

check("expire at once", client.set("py:e", "x", expire=-1), True)
check("get expired", client.get("py:e"), None)
check("expire", client.set("py:e", "x", expire=2), True)
check("get before", client.get("py:e"), b"x")

binary = bytes(range(256)) * 4
check("set binary", client.set("py:binary", binary), True)
check("get binary", client.get("py:binary"), binary)
check("set empty", client.set("py:empty", b""), True)
check("get empty", client.get("py:empty"), b"")
# The largest value that fits in an item of 1 MiB, about.
large = bytes(range(251)) * 4176
check("set 1 MB", client.set("py:large", large), True)
check("get 1 MB", client.get("py:large") == large, True)
check("get 1 MB among others", client.get_many(["py:empty", "py:large", "py:binary"])["py:large"] == large, True)
try:
    client.set("py:too large", large)
    sys.exit("a key with a blank: no error")
except MemcacheClientError:
    pass
try:
    client.set("py:larger", large * 2)
    sys.exit("set of 2 MB: no error")
except MemcacheServerError as error:
    check("set of 2 MB", "too large" in str(error), True)
check("after errors", client.get("py:binary"), binary)
quiet.set("py:larger", large * 2, noreply=True)
check("after a quiet error", quiet.get("py:binary"), binary)

check("version", client.version().startswith(b"1."), True)
check("stats", int(client.stats()[b"curr_items"]) > 0, True)

deadline = time.monotonic() + 10
while client.get("py:e") is not None:
    if time.monotonic() > deadline:
        sys.exit("an item of two seconds is still there")
    time.sleep(0.05)

check("flush_all", client.flush_all(), True)
check("get after flush_all", client.get("py:binary"), None)
client.quit()
print("ok")
