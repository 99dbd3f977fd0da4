/** Modules from files of the user, in the proxy as it runs, before real servers. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { until } from "../support/echo-proxy.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { configWith, modulesRig, startWith } from "../support/modules-rig.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, runCommand } from "../support/run-command.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

const DENIED = "-ERR denied by this proxy's configuration\r\n";
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  stops.push(() => server.stop());
  return server;
}

async function linesOf(client: RespClient, request: string, bytes: number): Promise<string> {
  client.send(request);
  await until(`${bytes} bytes`, () => client.unread.length >= bytes);
  return client.unread.toString("latin1");
}

test("a protocol of a module serves clients, which stay when the module changes", async () => {
  const rig = modulesRig();
  const config = configWith([rig.path("echo.ts")], [{ name: "e", lines: ["protocol: echo"] }]);
  const { proxy, clients } = await startWith(config, stops);
  const client = clients[0]!;
  expect(await linesOf(client, "hello ", 6)).toBe("hello ");
  const loud = "Buffer.from(Buffer.from(chunk).toString().toUpperCase())";
  rig.write(
    "echo.ts",
    readFileSync(rig.path("echo.ts"), "utf8").replace("c.write(chunk)", `c.write(${loud})`),
  );
  const dry = await commandOf(proxy, "reload", "--dry-run");
  expect(dry.output).toContain("module: protocol echo changes");
  const { code, errors } = await commandOf(proxy, "reload");
  expect([code, errors]).toEqual([0, ""]);
  expect(await linesOf(client, "again", 11)).toBe("hello AGAIN");
  // A module that does not start leaves those serving that do.
  const text = readFileSync(rig.path("echo.ts"), "utf8");
  rig.write(
    "echo.ts",
    text.replace('name: "echo"', 'name: "echo", start() { throw new Error("no luck"); }'),
  );
  const failed = await commandOf(proxy, "reload");
  expect(failed.code).not.toBe(0);
  expect(failed.errors).toContain("no luck");
  expect(await linesOf(client, "!", 12)).toBe("hello AGAIN!");
});

test("deny refuses keys in every kind of request, and replies keep their order", async () => {
  const [one, two] = [await redis(), await redis()];
  const rig = modulesRig();
  const servers = `servers: ["${one.host}:${one.port}:1", "${two.host}:${two.port}:1"]`;
  const { clients } = await startWith(
    configWith(
      [rig.path("deny.ts")],
      [{ name: "r", lines: ['filters: [deny: { prefixes: ["secret:"] }]', servers] }],
    ),
    stops,
  );
  const client = clients[0]!;
  client.command(
    ["SET", "a", "1"],
    ["GET", "secret:1"],
    ["MGET", "a", "b", "secret:2"],
    ["GET", "a"],
    ["DEL", "secret:3", "a"],
    ["EVAL", "return 1", "1", "secret:4"],
    ["NOSUCHCOMMAND", "x", "secret:5"],
    ["EXISTS", "a"],
  );
  expect((await client.replies(8)).join("")).toBe(
    `+OK\r\n${DENIED}${DENIED}$1\r\n1\r\n${DENIED}${DENIED}${DENIED}:1\r\n`,
  );
  // In a transaction the refusal is an error like any other: nothing of it is executed.
  client.command(["MULTI"], ["SET", "a", "2"], ["SET", "secret:1", "2"], ["EXEC"], ["GET", "a"]);
  const [, queued, refused, aborted, value] = (await client.replies(5)).map(String);
  expect([queued, refused, value]).toEqual(["+QUEUED\r\n", DENIED, "$1\r\n1\r\n"]);
  expect(aborted).toStartWith("-EXECABORT");
  // What is refused is a request like any other for CLIENT REPLY SKIP.
  client.command(
    ["CLIENT", "REPLY", "SKIP"],
    ["GET", "secret:1"],
    ["GET", "nothing"],
    ["GET", "a"],
  );
  expect((await client.replies(2)).join("")).toBe("$-1\r\n$1\r\n1\r\n");
  // Byte by byte, and inline.
  for (const byte of "get secret:1\r\nget a\r\n") {
    client.send(byte);
    await client.sent();
  }
  expect((await client.replies(2)).join("")).toBe(`${DENIED}$1\r\n1\r\n`);
});

test("pipelines with refusals in between keep their order, before and behind requests that wait", async () => {
  const server = await redis();
  const rig = modulesRig();
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  const filter = 'filters: [deny: { prefixes: ["secret:"] }]';
  const { clients, proxy } = await startWith(
    configWith([rig.path("deny.ts")], [{ name: "r", lines: [filter, servers] }]),
    stops,
  );
  const client = clients[0]!;
  const requests: string[][] = [];
  const wanted: string[] = [];
  for (let i = 0; i < 500; i++) {
    const isDenied = i % 7 === 3 || i % 50 > 44;
    requests.push(isDenied ? ["GET", `secret:${i}`] : ["ECHO", `${i}`]);
    wanted.push(isDenied ? DENIED : `$${`${i}`.length}\r\n${i}\r\n`);
  }
  client.command(...requests);
  expect((await client.replies(500)).map(String)).toEqual(wanted);
  client.command(["BLPOP", "list", "0"], ["ECHO", "a"], ["GET", "secret:1"], ["ECHO", "b"]);
  const other = await RespClient.connect(proxy.endpoints[0]!);
  stops.push(async () => other.close());
  expect(await other.ask("ECHO", "c")).toBe("$1\r\nc\r\n");
  expect(client.unread.length).toBe(0);
  expect(await other.ask("RPUSH", "list", "x")).toBe(":1\r\n");
  expect((await client.replies(4)).join("")).toBe(
    `*2\r\n$4\r\nlist\r\n$1\r\nx\r\n$1\r\na\r\n${DENIED}$1\r\nb\r\n`,
  );
  client.command(["ECHO", "a"], ["GET", "secret:1"], ["QUIT"], ["GET", "secret:2"], ["ECHO", "b"]);
  expect((await client.untilClosed()).toString()).toBe(`$1\r\na\r\n${DENIED}+OK\r\n`);
});

test("deny before Memcached: the text protocol is judged, clients of the binary one are turned away", async () => {
  const server = await startMemcached();
  stops.push(() => server.stop());
  const rig = modulesRig();
  const { proxy, clients } = await startWith(
    configWith(
      [rig.path("deny.ts")],
      [
        {
          name: "m",
          lines: [
            "protocol: memcache",
            "filters: [deny: { commands: [delete, get, md], prefixes: [s] }]",
            `servers: ["${server.host}:${server.port}:1"]`,
          ],
        },
      ],
    ),
    stops,
  );
  const denied = "SERVER_ERROR ERR denied by this proxy's configuration\r\n";
  const request =
    "set s1 0 0 1\r\nx\r\nget s1\r\nget a s1\r\ndelete s1 noreply\r\ndelete s1\r\nmd s1 q\r\ngets s1\r\nset t 0 0 1\r\nxy\r\nset t 0 0 1\r\nz\r\nget t\r\n";
  const replies = `STORED\r\n${denied}${denied}${denied}${denied}VALUE s1 0 1 `;
  const ends = "VALUE t 0 1\r\nz\r\nEND\r\n";
  clients[0]!.send(request);
  await until("the last reply", () => clients[0]!.unread.toString().endsWith(ends));
  expect(clients[0]!.unread.toString()).toStartWith(replies);
  const binary = await RespClient.connect(proxy.endpoints[0]!);
  binary.send(Buffer.from("800a00000000000000000000000000000000000000000000", "hex"));
  expect((await binary.untilClosed()).length).toBe(0);
  expect(proxy.stderr()).toContain("the pool has filters, which cannot read its protocol");
});

test("audit has one line for each request, and no argument but the keys", async () => {
  const server = await redis();
  const rig = modulesRig();
  const sink: { server: Server; text: string } = { server: createServer(), text: "" };
  sink.server.on("connection", (socket) => {
    socket.on("data", (chunk) => {
      sink.text += chunk;
    });
  });
  await new Promise<void>((resolve) => sink.server.listen(0, "127.0.0.1", resolve));
  stops.push(async () => void sink.server.close());
  const { port } = sink.server.address() as { port: number };
  const log = rig.path("audit.log");
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  const { proxy, clients } = await startWith(
    configWith(
      [rig.path("audit.ts")],
      [
        { name: "file", lines: [`filters: [audit: { to: ${log} }]`, servers] },
        { name: "tcp", lines: [`filters: [audit: { to: "tcp://127.0.0.1:${port}" }]`, servers] },
      ],
    ),
    stops,
  );
  for (const client of clients) {
    client.command(
      ["AUTH", "geheim"],
      ["SET", "k", "geheim"],
      ["GET", "k"],
      ["INCR", "k"],
      ["BLPOP", "q", "0"],
    );
    await client.replies(4);
  }
  clients[0]!.close();
  clients[1]!.close();
  const linesIn = (text: string): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  const shown = [
    ["AUTH", [], "error"],
    ["SET", ["k"], "reply"],
    ["GET", ["k"], "reply"],
    ["INCR", ["k"], "error"],
    ["BLPOP", ["q"], "closed"],
  ];
  const read = (): string[] => [readIfThere(log), sink.text];
  await until("all lines", () => read().every((text) => linesIn(text).length === 5));
  for (const text of read()) {
    expect(linesIn(text).map(({ command, keys, outcome }) => [command, keys, outcome])).toEqual(
      shown,
    );
    expect(text).not.toContain("geheim");
  }
  expect((await commandOf(proxy, "reload")).code).toBe(0);
});

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

test("double-delete deletes again after its time, and at once when the worker ends", async () => {
  const server = await redis();
  const rig = modulesRig();
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  const { proxy, clients } = await startWith(
    configWith(
      [rig.path("double-delete.ts")],
      [
        { name: "soon", lines: ["filters: [double-delete: { after: 2s }]", servers] },
        {
          name: "late",
          lines: ["filters: [double-delete: { after: 1h, prefixes: [a] }]", servers],
        },
      ],
    ),
    stops,
  );
  const direct = await RespClient.connect({ host: server.host, port: server.port });
  stops.push(async () => direct.close());
  const [soon, late] = [clients[0]!, clients[1]!];
  expect(await soon.ask("DEL", "k")).toBe(":0\r\n");
  await direct.ask("SET", "k", "stale");
  await untilAsked(direct, ["EXISTS", "k"], ":0\r\n");
  expect(await late.ask("UNLINK", "a\xff1", "b1")).toBe(":0\r\n");
  await direct.ask("MSET", "a\xff1", "stale", "b1", "stays");
  // The clients move, and their old worker has nothing left but what is due in an hour.
  rig.write(
    "double-delete.ts",
    `${readFileSync(rig.path("double-delete.ts"), "utf8")}\nexport const isChanged = true;\n`,
  );
  expect((await commandOf(proxy, "reload")).code).toBe(0);
  await untilAsked(direct, ["EXISTS", "a\xff1"], ":0\r\n");
  expect(await direct.ask("GET", "b1")).toBe("$5\r\nstays\r\n");
});

test("what a module counts is in the statistics, over all workers and reloads", async () => {
  const server = await redis();
  const rig = modulesRig();
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  const filter = "filters: [stats: { prefixes: [user, cart] }]";
  const { proxy, clients } = await startWith(
    configWith([rig.path("stats.ts")], [{ name: "r", lines: [filter, servers] }]),
    stops,
    2,
  );
  const ask = async (): Promise<void> => {
    for (const key of ["user1", "user2", "cart1", "other"]) await clients[0]!.ask("GET", key);
  };
  await ask();
  rig.write(
    "stats.ts",
    `${readFileSync(rig.path("stats.ts"), "utf8")}\nexport const isChanged = true;\n`,
  );
  expect((await commandOf(proxy, "reload")).code).toBe(0);
  await ask();
  const { output } = await commandOf(proxy, "status", "--json");
  const counted = (name: string): number | undefined => {
    const at = new RegExp(`"counter":\\s*"${name}"[^}]*}[^}]*"total":\\s*(\\d+)`).exec(output);
    return at === null ? undefined : Number(at[1]);
  };
  const names = ["requests user", "requests cart", "requests others"];
  expect(names.map(counted)).toEqual([4, 2, 2]);
});

async function untilAsked(client: RespClient, request: string[], wanted: string): Promise<void> {
  for (;;) {
    if ((await client.ask(...request)) === wanted) return;
    await Bun.sleep(5);
  }
}

test("a filter that throws fails its request only, and is switched off when it goes on", async () => {
  const server = await redis();
  const rig = modulesRig();
  const broken = (name: string, more: string): string => `
    import { defineFilter } from "proxy/module";
    export default defineFilter({ api: 1, name: "${name}", ${more} start: () => ({
      request(r) { if (r.keyCount > 0 && r.keyStartsWith(0, "bad")) throw new Error("my fault"); },
    }) });`;
  rig.write("watch.ts", broken("watch", ""));
  rig.write("guard.ts", broken("guard", 'whenBroken: "refuse",'));
  const servers = `servers: ["${server.host}:${server.port}:1"]`;
  const { proxy, clients } = await startWith(
    configWith(
      [rig.path("watch.ts"), rig.path("guard.ts")],
      [
        { name: "w", lines: ["filters: [watch]", servers] },
        { name: "g", lines: ["filters: [guard]", servers] },
      ],
    ),
    stops,
  );
  const [watched, guarded] = [clients[0]!, clients[1]!];
  for (const [client, name] of [
    [watched, "watch"],
    [guarded, "guard"],
  ] as const) {
    for (let i = 0; i < 10; i++) {
      expect(await client.ask("GET", "bad")).toBe(`-ERR module ${name} failed\r\n`);
    }
  }
  expect(await watched.ask("GET", "bad")).toBe("$-1\r\n");
  const off = "-ERR module guard is switched off because it fails\r\n";
  expect(await guarded.ask("GET", "good")).toBe(off);
  expect(proxy.stderr()).toContain("module watch failed in request: Error: my fault");
  expect(proxy.stderr()).toContain("module guard is switched off for 60 s");
});

test("what is wrong with modules and their options is said with line and column", async () => {
  const rig = modulesRig();
  rig.write("old.ts", 'export default { kind: "filter", definition: { api: 7, name: "old" } };');
  rig.write("torn.ts", "export default {");
  rig.write("loop.ts", 'throw new Error("at once");');
  rig.write("open.ts", "");
  chmodSync(rig.path("open.ts"), 0o666);
  const file = rig.path("proxy.yaml");
  const names = ["deny.ts", "old.ts", "torn.ts", "loop.ts", "open.ts", "none.ts", "./deny.ts"];
  writeFileSync(
    file,
    `modules:\n${names.map((name) => `  - ${name}\n`).join("")}pools:\n  r:\n    listen: h:1\n    servers: [h:2:1]\n    filters:\n      - deny: { prefixes: a, comands: [x] }\n      - dney\n`,
  );
  const { code, errors } = await runCommand(["check", "-c", file]);
  expect(code).toBe(1);
  const said = errors.split("\n").map((line) => line.replace(`${file}:`, ""));
  const at = (place: string): string => said.find((line) => line.startsWith(`${place}: `)) ?? "";
  expect(at("3:5")).toContain("version 7 of the module API; this proxy has version 1");
  expect(at("4:5")).toContain("torn.ts");
  expect(at("5:5")).toContain("importing it fails: at once");
  expect(at("6:5")).toContain("other users could change it");
  expect(at("7:5")).toContain("there is no such file");
  expect(at("8:5")).toContain('the filter "deny" is defined by deny.ts too');
  expect(at("14:27")).toContain("filter deny: prefixes: expected a list of texts");
  expect(at("14:30")).toContain('unknown key "comands"; did you mean "commands"?');
  expect(at("15:9")).toContain('unknown filter "dney"; did you mean "deny"?');
});

test("a client is closed that a module has sent too much at once, and the log says which module", async () => {
  const rig = modulesRig();
  rig.write(
    "flood.ts",
    `import { defineProtocol } from "proxy/module";
    export default defineProtocol({ api: 1, name: "flood", connection: (c) => ({
      bytes(chunk) { if (chunk[0] === 33) c.write(new Uint8Array(40 << 20)); else c.write(chunk); },
    }) });`,
  );
  const config = configWith([rig.path("flood.ts")], [{ name: "f", lines: ["protocol: flood"] }]);
  const { proxy, clients } = await startWith(config, stops);
  const other = await RespClient.connect(proxy.endpoints[0]!);
  stops.push(async () => other.close());
  const client = clients[0]!;
  client.send("!");
  await until("the client to be closed", () => client.isClosed);
  expect(await linesOf(other, "hello", 5)).toBe("hello");
  const line = proxy
    .stderr()
    .split("\n")
    .find((text) => text.includes("a client is closed"));
  expect(line).toContain("module=flood");
  expect(line).toContain("pool=f");
});
