"""Uses the proxy as a Python program would, with redis-py's defaults. Usage: redis_py_check.py HOST PORT"""

import os
import sys

import redis


def check(name, got, wanted):
    if got != wanted:
        sys.exit(f"{name}: want {wanted!r:.200}, got {got!r:.200}")


client = redis.Redis(host=sys.argv[1], port=int(sys.argv[2]))
check("ping", client.ping(), True)

names = [f"py:{index}" for index in range(500)]
values = [f"value {index}".encode() for index in range(500)]
check("mset", client.mset(dict(zip(names, values))), True)
check("mget", client.mget(names), values)
check("mget in another order", client.mget(names[::-1] + ["py:none"]), values[::-1] + [None])
check("exists", client.exists(*names, "py:none"), 500)
check("delete", client.delete(*names), 500)
check("mget after delete", client.mget(names), [None] * 500)

binary = bytes(range(256)) * 4
check("set binary", client.set(b"py:\xff\x00\r\n", binary), True)
check("get binary", client.get(b"py:\xff\x00\r\n"), binary)
check("set empty", client.set("py:empty", b""), True)
check("get empty", client.get("py:empty"), b"")

for mebibytes in (1, 64):
    large = os.urandom(1024 * 1024) * mebibytes
    check(f"set {mebibytes} MiB", client.set(f"py:large:{mebibytes}", large), True)
    if client.get(f"py:large:{mebibytes}") != large:
        sys.exit(f"get {mebibytes} MiB: other bytes")
    check(f"delete {mebibytes} MiB", client.delete(f"py:large:{mebibytes}"), 1)

pipeline = client.pipeline(transaction=False)
for index in range(1000):
    pipeline.set(f"py:pipe:{index % 50}", index)
    pipeline.get(f"py:pipe:{index % 50}")
wanted = [reply for index in range(1000) for reply in (True, str(index).encode())]
check("pipeline", pipeline.execute(), wanted)

check("hset", client.hset("py:hash", mapping={"a": "1", "b": "2"}), 2)
check("hgetall", client.hgetall("py:hash"), {b"a": b"1", b"b": b"2"})
check("rpush", client.rpush("py:list", "a", "b", "c"), 3)
check("lrange", client.lrange("py:list", 0, -1), [b"a", b"b", b"c"])
check("incrby", client.incrby("py:counter", 41), 41)
check("incr", client.incr("py:counter"), 42)

try:
    client.incr("py:hash")
    sys.exit("incr of a hash: no error")
except redis.ResponseError as error:
    check("wrong type", str(error).startswith("WRONGTYPE"), True)
try:
    client.execute_command("NOSUCHCOMMAND", "x")
    sys.exit("unknown command: no error")
except redis.ResponseError as error:
    check("unknown command", "unknown command" in str(error), True)
check("after errors", client.get("py:counter"), b"42")

print("ok")
