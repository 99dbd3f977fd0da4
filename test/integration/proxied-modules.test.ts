/** A protocol with servers, as an author begins one: what is wrong in it ends what it concerns, and nothing else. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync } from "node:fs";
import { createServer } from "node:net";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { modulesRig } from "../support/modules-rig.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

/** Lines: "GET n" gives "name n", "BAD" what the module's scanner throws at, "SLOW" nothing before `release`. */
interface LineServer {
  readonly port: number;
  readonly seen: string[];
  release(): void;
}

async function lineServer(name: string): Promise<LineServer> {
  const port = freePort();
  const seen: string[] = [];
  let slow: (() => void)[] = [];
  const server = createServer((socket) => {
    let input = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      input += chunk;
      for (let at = input.indexOf("\n"); at >= 0; at = input.indexOf("\n")) {
        const line = input.substring(0, at).trim();
        input = input.substring(at + 1);
        seen.push(line);
        const [verb, word = ""] = line.split(" ");
        if (verb === "SLOW") slow.push(() => socket.write(`${name} woke\r\n`));
        else socket.write(verb === "BAD" ? "BAD reply\r\n" : `${name} ${word || verb}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  stops.push(async () => void server.close());
  return {
    port,
    seen,
    release() {
      for (const say of slow) say();
      slow = [];
    },
  };
}

async function start(
  code: string,
  servers: readonly LineServer[],
  more = "",
): Promise<{ proxy: ProxyProcess; module: string; connect(): Promise<TextClient> }> {
  const rig = modulesRig();
  rig.write("mine.ts", code);
  const port = freePort();
  const list = servers.map((server, i) => `"127.0.0.1:${server.port}:1 s${i + 1}"`).join(", ");
  const config = `modules: ["${rig.path("mine.ts")}"]\npools:\n  p:\n    protocol: mine\n    listen: 127.0.0.1:${port}\n    servers: [${list}]\n${more}`;
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  const connect = async (): Promise<TextClient> => {
    const client = await TextClient.connect({ host: "127.0.0.1", port });
    stops.push(async () => client.close());
    return client;
  };
  return { proxy, module: rig.path("mine.ts"), connect };
}

const BEGINNING = `import { defineProtocol, lines } from "proxy/module";
const line = lines();
export default defineProtocol({ api: 1, name: "mine", probe: "PING\\r\\n", failure: (text) => "ERROR " + text + "\\r\\n",`;

test("a few lines are a protocol, whose pipelined requests keep their order over servers", async () => {
  const servers = [await lineServer("one"), await lineServer("two")];
  const { connect } = await start(
    `${BEGINNING} requestScanner: line, replyScanner: line, key: (r) => r.word(1) });`,
    servers,
  );
  const client = await connect();
  const keys = Array.from({ length: 40 }, (_, i) => `${i * 7919}:key`);
  client.send(keys.map((key) => `GET ${key}\r\n`).join(""));
  const replies: string[] = [];
  for (const _ of keys) replies.push(`${await client.until("\r\n")}`.trim());
  expect(replies.map((reply) => reply.split(" ")[1])).toEqual(keys);
  const counts = servers.map(({ seen }) => seen.length);
  expect(counts[0]! + counts[1]!).toBe(40);
  expect(Math.min(...counts)).toBeGreaterThan(0);
  for (const byte of "GET 7919:key\r\n") {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(`${await client.until("\r\n")}`).toBe(`${replies[1]}\r\n`);
});

test("what a module throws fails a request, or ends one connection, and is counted with its name", async () => {
  const server = await lineServer("s");
  const { proxy, connect } = await start(
    `${BEGINNING}
      requestScanner(bytes, start, end) {
        if (bytes[start] === 0x21) throw new Error("request scanner's fault");
        if (bytes[start] === 0x3f) return end + 1;
        return line(bytes, start, end);
      },
      replyScanner(bytes, start, end) {
        if (bytes[start] === 0x42) throw new Error("reply scanner's fault");
        return line(bytes, start, end);
      },
      request(r, client) {
        switch (r.word(0)) {
          case "THROW": throw new Error("request's fault");
          case "NOTHING": return undefined;
          case "CONVERT": return r.ask(client.anyServer(), ["GET 1\\r\\n"], () => { throw new Error("convert's fault"); });
          case "UMLAUT": return r.answer("\\u20ac");
          case "ALONE": return r.alone(async () => { throw new Error("step's fault"); });
          case "LATE": return r.alone(async () => 5);
          case "BLOCK": return r.alone(async () => client.block([], "x"));
          case "ASK": client.ask(client.anyServer(), ["GET 1\\r\\n"]).catch(() => {}); return r.answer("asked\\r\\n");
          default: return r.forward(client.anyServer());
        }
      } });`,
    [server],
  );
  const [bystander, client] = [await connect(), await connect()];
  expect(await bystander.ask("GET before\r\n")).toBe("s before\r\n");
  const maybe = "; the command may or may not have been executed";
  const failed = "ERROR module mine failed";
  for (const [request, reply] of [
    ["THROW", failed],
    ["NOTHING", failed],
    ["UMLAUT", failed],
    ["CONVERT", failed + maybe],
    ["ALONE", failed + maybe],
    ["LATE", failed + maybe],
    ["BLOCK", failed + maybe],
    ["ASK", "asked"],
    ["GET x", "s x"],
  ]) {
    expect(await client.ask(`${request}\r\n`)).toBe(`${reply}\r\n`);
  }
  // Of the server that says it, not of the worker.
  expect(await client.ask("BAD\r\n")).toStartWith(
    "ERROR Invalid argument (server s1 sent a malformed",
  );
  expect(await client.ask("GET y\r\n")).toBe("s y\r\n");
  for (const bad of ["!", "?"]) {
    const hostile = await connect();
    hostile.send(`GET z\r\n${bad}\r\n`);
    expect(`${await hostile.untilClosed()}`).toBe(
      "s z\r\nERROR Protocol error: what the client sends is no request\r\n",
    );
  }
  // However often: one client that knows how to make it fail must not end the others.
  for (let i = 0; i < 30; i++) expect(await client.ask("THROW\r\n")).toBe(`${failed}\r\n`);
  expect(await bystander.ask("GET after\r\n")).toBe("s after\r\n");
  for (const fault of [
    "request scanner's",
    "reply scanner's",
    "request's",
    "convert's",
    "step's",
  ]) {
    expect(proxy.stderr()).toContain(`${fault} fault`);
  }
  expect(proxy.stderr()).not.toContain("switched off");
  const { output } = await commandOf(proxy, "status", "--json");
  const faults = /"counter":\s*"faults"[^}]*}[^}]*"total":\s*(\d+)/.exec(output)?.[1];
  expect(Number(faults)).toBeGreaterThan(35);
});

test("a request that blocks holds up no other client, moves with a reload, and gets its reply then", async () => {
  const server = await lineServer("s");
  const { proxy, module, connect } = await start(
    `${BEGINNING} requestScanner: line, replyScanner: line, state: () => ({ asked: 0 }),
      request(r, client) {
        client.state.asked++;
        if (r.word(0) === "COUNT") return r.answer(client.state.asked + "\\r\\n");
        const server = client.anyServer();
        return r.word(0) === "SLOW" ? r.forwardBlocking(server) : r.forward(server);
      } });`,
    [server],
  );
  const [blocked, other] = [await connect(), await connect()];
  blocked.send("GET a\r\nSLOW\r\nGET b\r\n");
  expect(`${await blocked.until("\r\n")}`).toBe("s a\r\n");
  await until("the request to wait", () => server.seen.includes("SLOW"));
  expect(await other.ask("GET c\r\n")).toBe("s c\r\n");
  appendFileSync(module, "\nexport const isChanged = true;\n");
  const { crew } = await mustRun<UpgradeResult>(proxy, "reload");
  expect(crew).toMatchObject({ moved: 2, left: 0, lost: 0 });
  expect(await other.ask("COUNT\r\n")).toBe("2\r\n");
  expect(server.seen.filter((line) => line === "SLOW")).toEqual(["SLOW"]);
  server.release();
  expect(`${await blocked.until("woke\r\n")}${await blocked.until("\r\n")}`).toBe(
    "s woke\r\ns b\r\n",
  );
  expect(await blocked.ask("COUNT\r\n")).toBe("4\r\n");
});

test("a connection of the client's own that does not answer in time is closed", async () => {
  const server = await lineServer("s");
  const { connect } = await start(
    `${BEGINNING} requestScanner: line, replyScanner: line,
      request(r, client) {
        const words = r.text + "\\r\\n";
        return r.alone(async () => {
          const own = client.owns[0] ?? (await client.open(client.anyServer(), ["GET begin\\r\\n"]));
          const said = await client.ask(own, [words]).then(({ text }) => text, ({ name }) => name);
          return said + " " + own.id + " " + client.owns.length + "\\r\\n";
        });
      } });`,
    [server],
    "    timeout: 500ms\n",
  );
  const client = await connect();
  expect(await client.ask("GET a\r\n")).toBe("s a 1 1\r\n");
  expect(await client.ask("SLOW\r\n")).toBe("ServerError 1 0\r\n");
  server.release();
  expect(await client.ask("GET b\r\n")).toBe("s b 2 1\r\n");
  expect(server.seen).toEqual(["GET begin", "GET a", "SLOW", "GET begin", "GET b"]);
});
