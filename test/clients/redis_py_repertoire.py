"""What programs do with redis-py: no options but where the server is.

Usage: redis_py_repertoire.py PART HOST PORT SERVER_PORT...
The last are the ports of the servers themselves, where one can see who is blocked. Prints ok, or what is wrong."""

import sys
import threading
import time

import redis

DEADLINE_SECONDS = 8
part, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
servers = [redis.Redis(host, int(each)) for each in sys.argv[4:]]


def connect(**options):
    return redis.Redis(host=host, port=port, decode_responses=True, **options)


def check(name, got, wanted):
    if got != wanted:
        sys.exit(f"{name}: want {wanted!r:.300}, got {got!r:.300}")


def until(name, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited for {name}")
        time.sleep(0.002)


def blocked(count):
    def are_blocked():
        return sum(server.info("clients")["blocked_clients"] for server in servers) == count

    until(f"{count} blocked clients", are_blocked)


def fails(name, error, call):
    try:
        got = call()
    except error:
        return
    sys.exit(f"{name}: want {error.__name__}, got {got!r:.300}")


class Later(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.result = call, None
        self.start()

    def run(self):
        try:
            self.result = self.call()
        except Exception as error:
            self.result = error

    def get(self):
        self.join(DEADLINE_SECONDS)
        return "nothing yet" if self.is_alive() else self.result


def transactions():
    client, other = connect(), connect()
    pipeline = client.pipeline()
    check("multi", pipeline.set("{t}a", 1).incr("{t}a").get("{t}a").execute(), [True, 2, "2"])
    with client.pipeline() as pipeline:
        pipeline.watch("{t}a")
        other.set("{t}a", "theirs")
        check("immediate", pipeline.get("{t}a"), "theirs")
        pipeline.multi()
        pipeline.set("{t}a", "mine")
        fails("conflict", redis.WatchError, pipeline.execute)
    other.set("{t}n", 0)

    def increment(pipeline):
        value = int(pipeline.get("{t}n"))
        pipeline.multi()
        pipeline.set("{t}n", value + 1)

    def count():
        mine = connect()
        for _ in range(10):
            mine.transaction(increment, "{t}n")

    counters = [Later(count) for _ in range(8)]
    for counter in counters:
        check("counter", counter.get(), None)
    check("counted", client.get("{t}n"), "80")
    pipeline = client.pipeline()
    pipeline.set("{t}s", "x").incr("{t}s")
    fails("error within", redis.ResponseError, pipeline.execute)
    check("after the error", client.get("{t}s"), "x")


def scripts():
    client = connect()
    append = client.register_script("return redis.call('APPEND', KEYS[1], ARGV[1])")
    for at in range(20):
        check("registered", append(keys=[f"key:{at}"], args=["xy"]), 2)
    check("flush", client.script_flush(), True)
    for at in range(20):
        check("registered, again", append(keys=[f"key:{at}"], args=["xy"]), 4)
    with client.pipeline() as pipeline:
        append(keys=["key:1"], args=["z"], client=pipeline)
        check("in a pipeline", pipeline.execute(), [5])
    sha = client.script_load("return {KEYS[1],ARGV[1]}")
    for at in range(20):
        check("evalsha", client.evalsha(sha, 1, f"key:{at}", at), [f"key:{at}", str(at)])
    check("exists", client.script_exists(sha, "0" * 40), [True, False])
    fails("unknown", redis.exceptions.NoScriptError, lambda: client.evalsha("0" * 40, 1, "k"))


def functions():
    client = connect()
    library = "#!lua name=lib\nredis.register_function('put', function(k, a) return redis.call('SET', k[1], a[1]) end)"
    check("load", client.function_load(library, replace=True), "lib")
    for at in range(20):
        check("fcall", client.fcall("put", 1, f"key:{at}", at), "OK")
    check("delete", client.function_delete("lib"), True)


def blocking():
    client, leaving = connect(), connect(socket_timeout=None)
    popped = Later(lambda: connect().blpop("{b}q", 0))
    blocked(1)
    connection = leaving.connection_pool.get_connection("BLPOP")
    connection.send_command("BLPOP", "{b}q", 0)
    blocked(2)
    connection.disconnect()
    blocked(1)
    check("rpush", client.rpush("{b}q", "first", "second"), 2)
    check("popped", popped.get(), ("{b}q", "first"))
    check("left", client.lrange("{b}q", 0, -1), ["second"])
    check("nothing", client.blpop("{b}none", 1), None)
    scored = Later(lambda: connect().bzpopmin("{b}z", 0))
    blocked(1)
    client.zadd("{b}z", {"m": 1.5})
    check("scored", scored.get(), ("{b}z", "m", 1.5))


def subscriptions():
    client = connect()
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("weather", "news")
    listener.psubscribe("n*")
    # Not before the server has confirmed all three.
    deadline = time.monotonic() + DEADLINE_SECONDS
    while client.pubsub_numpat() == 0 and time.monotonic() < deadline:
        time.sleep(0.002)

    def next_messages(count):
        got, deadline = [], time.monotonic() + DEADLINE_SECONDS
        while len(got) < count and time.monotonic() < deadline:
            message = listener.get_message(timeout=0.1)
            if message is not None:
                got.append((message["type"], message["channel"], message["data"]))
        return got

    check("publish", client.publish("weather", "sunny"), 1)
    check("one", next_messages(1), [("message", "weather", "sunny")])
    check("publish to both", client.publish("news", "good"), 2)
    check("two", sorted(next_messages(2)), [("message", "news", "good"), ("pmessage", "news", "good")])
    for at in range(100):
        client.publish("weather", at)
    check("many", next_messages(100), [("message", "weather", str(at)) for at in range(100)])
    check("numsub", client.pubsub_numsub("weather"), [("weather", 1)])
    listener.close()
    until("no subscriber", lambda: client.pubsub_numsub("weather") == [("weather", 0)])


def scans():
    client, other = connect(), connect()
    stable = {f"stable:{at}": "1" for at in range(1500)}
    client.mset(stable)
    seen = set()
    for at, key in enumerate(client.scan_iter(match="stable:*", count=50)):
        seen.add(key)
        if at % 50 == 0:
            other.mset({f"new:{at}:{number}": "1" for number in range(20)})
            other.delete(*[f"new:{at - 50}:{number}" for number in range(20)])
    check("scan", len(seen), 1500)
    check("keys", len(client.keys("stable:*")), 1500)
    client.hset("hash", mapping=stable)
    check("hscan", len(dict(client.hscan_iter("hash"))), 1500)
    client.zadd("zset", {key: 1 for key in stable})
    check("zscan", len(dict(client.zscan_iter("zset"))), 1500)
    check("flushall", client.flushall(), True)
    check("dbsize", client.dbsize(), 0)


def streams():
    client = connect()
    check("group", client.xgroup_create("{x}s", "group", "$", mkstream=True), True)
    read = Later(lambda: connect().xreadgroup("group", "worker", {"{x}s": ">"}, block=0))
    blocked(1)
    entry = client.xadd("{x}s", {"field": "value"})
    check("read", read.get(), [["{x}s", [(entry, {"field": "value"})]]])
    check("pending", client.xpending("{x}s", "group")["pending"], 1)
    check("ack", client.xack("{x}s", "group", entry), 1)
    check("info", client.xinfo_groups("{x}s")[0]["name"], "group")


def databases():
    zero, five = connect(), connect(db=5)
    five.set("k", "five")
    check("own", zero.get("k"), None)
    check("move", five.move("k", 6), True)
    check("moved", connect(db=6).get("k"), "five")
    fails("none such", redis.ResponseError, lambda: connect(db=99).get("k"))


def sessions():
    client = connect(client_name="somebody", single_connection_client=True)
    check("name", client.client_getname(), "somebody")
    check("list", "somebody" in [each["name"] for each in client.client_list()], True)
    check("id", client.client_id() > 0, True)
    check("info", "redis_version" in client.info(), True)
    check("whoami", client.acl_whoami(), "default")
    check("config", client.config_get("databases"), {"databases": "16"})
    check("time", len(client.time()), 2)


PARTS = [transactions, scripts, functions, blocking, subscriptions, scans, streams, databases, sessions]
{each.__name__: each for each in PARTS}[part]()
print("ok")
