"""Uses the proxy as a Python program would, with pylibmc. Usage: pylibmc_check.py HOST PORT text|binary"""

import sys
import time

import pylibmc


def check(name, got, wanted):
    if got != wanted:
        sys.exit(f"{name}: want {wanted!r:.200}, got {got!r:.200}")


def find_none(call):
    """What a command says about a key that is not there: text says False, binary raises."""
    try:
        return call()
    except pylibmc.NotFound:
        return False


client = pylibmc.Client(
    [f"{sys.argv[1]}:{sys.argv[2]}"],
    binary=sys.argv[3] == "binary",
    behaviors={"tcp_nodelay": True, "cas": True},
)

names = [f"lib:{index}" for index in range(500)]
values = {name: f"value {name}" for name in names}
check("set_multi", client.set_multi(values), [])
check("get_multi", client.get_multi(names), values)
check("get_multi in another order", client.get_multi(names[::-1] + ["lib:none"]), values)
check("delete_multi", client.delete_multi(names), True)
check("get_multi after delete", client.get_multi(names), {})

check("get of none", client.get("lib:none"), None)
check("add", client.add("lib:a", b"1"), True)
check("add again", client.add("lib:a", b"2"), False)
check("replace", client.replace("lib:a", b"3"), True)
check("replace of none", find_none(lambda: client.replace("lib:none", b"3")), False)
check("append", client.append("lib:a", b"45"), True)
check("prepend", client.prepend("lib:a", b"12"), True)
check("get joined", client.get("lib:a"), b"12345")
check("set number", client.set("lib:n", 100), True)
check("incr", client.incr("lib:n", 5), 105)
check("decr", client.decr("lib:n", 5), 100)
check("incr of none", find_none(lambda: client.incr("lib:none")), False)
check("touch", client.touch("lib:n", 100), True)
check("touch of none", find_none(lambda: client.touch("lib:none", 100)), False)

value, token = client.gets("lib:a")
check("gets", value, b"12345")
check("cas", client.cas("lib:a", b"new", token), True)
check("cas again", client.cas("lib:a", b"newer", token), False)
check("get after cas", client.get("lib:a"), b"new")
check("delete", client.delete("lib:a"), True)
check("delete again", client.delete("lib:a"), False)

check("expire", client.set("lib:e", "x", time=2), True)
check("get before", client.get("lib:e"), "x")

binary = bytes(range(256)) * 4
check("set binary", client.set("lib:binary", binary), True)
check("get binary", client.get("lib:binary"), binary)
check("set empty", client.set("lib:empty", b""), True)
check("get empty", client.get("lib:empty"), b"")
large = bytes(range(251)) * 4176
check("set 1 MB", client.set("lib:large", large), True)
check("get 1 MB", client.get("lib:large") == large, True)
check(
    "get 1 MB among others",
    client.get_multi(["lib:empty", "lib:large", "lib:binary"])["lib:large"] == large,
    True,
)
try:
    client.set("lib:larger", large * 2)
    sys.exit("set of 2 MB: no error")
except pylibmc.Error:
    pass
check("after errors", client.get("lib:binary"), binary)

((_, stats),) = client.get_stats()
check("stats", int(stats["curr_items"]) > 0, True)

deadline = time.monotonic() + 10
while client.get("lib:e") is not None:
    if time.monotonic() > deadline:
        sys.exit("an item of two seconds is still there")
    time.sleep(0.05)

check("flush_all", client.flush_all(), True)
check("get after flush_all", client.get("lib:binary"), None)
client.disconnect_all()
print("ok")
