import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpPort, type HttpPort } from "../../../src/admin/http-port.ts";
import { HEAD_BYTES_MAX } from "../../../src/admin/http-request.ts";
import { ADMIN_CONNECTIONS_MAX } from "../../../src/base/page-limits.ts";
import { listenUnix } from "./listening-fd.ts";

const directory = mkdtempSync(join(tmpdir(), "proxy-test-http-port-"));
const LONG = "0123456789abcdef".repeat(300_000);
let nextPath = 0;
/** Paths that were answered. */
const made: string[] = [];
let port: HttpPort | null = null;

afterEach(() => {
  port?.close();
  port = null;
  made.length = 0;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function start(lifetimeMs?: number, turn?: () => Promise<boolean>): string {
  const path = join(directory, `${nextPath++}.sock`);
  port = createHttpPort({
    fd: listenUnix(path),
    answer: async ({ method, path: page, body: sent, peer }) => {
      made.push(page);
      if (page === "/fault") throw new Error("a fault");
      const body =
        page === "/long" ? LONG : `${method} ${page}${method === "POST" ? ` ${sent} ${peer}` : ""}`;
      return { status: 200, type: "text/plain", body };
    },
    onError: () => {},
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    ...(turn === undefined ? {} : { turn }),
  });
  return path;
}

interface Client {
  send(text: string): void;
  end(): void;
  cut(): void;
  /** All that came until the connection was over. */
  readonly answer: Promise<string>;
}

async function connect(path: string): Promise<Client> {
  const answered = Promise.withResolvers<string>();
  let received = "";
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data: (_, chunk) => {
        received += chunk.toString("latin1");
      },
      end: (it) => void it.end(),
      close: () => answered.resolve(received),
      error: () => answered.resolve(received),
    },
  });
  return {
    send: (text) => socket.write(text),
    end: () => socket.shutdown(),
    cut: () => socket.terminate(),
    answer: answered.promise,
  };
}

async function exchange(path: string, ...parts: string[]): Promise<string> {
  const client = await connect(path);
  for (const part of parts) {
    client.send(part);
    await Bun.sleep(0);
  }
  return await client.answer;
}

test("a request is answered, in however many pieces it comes", async () => {
  const path = start();
  const parts = [..."GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"];
  const answer = await exchange(path, ...parts);
  expect(answer).toStartWith(
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n",
  );
  expect(answer).toContain("Connection: close\r\n");
  expect(answer).toEndWith("\r\n\r\nGET /a");
});

test("the body of a POST is read, in however many pieces it comes, and nothing behind it", async () => {
  const head = "POST /a HTTP/1.1\r\nContent-Length: 8\r\n\r\n";
  const bytes = `${head}{"é":1}GET /b HTTP/1.1\r\n\r\n`;
  for (const parts of [[bytes], [...bytes], [head, '{"é', '":1}']]) {
    const answer = Buffer.from(await exchange(start(), ...parts), "latin1").toString();
    expect(answer).toEndWith('\r\n\r\nPOST /a {"é":1} a unix socket');
  }
  expect(await exchange(start(), "POST /a HTTP/1.1\r\n\r\n")).toEndWith("POST /a  a unix socket");
});

test("a body that is too long, of no length, or does not come is not waited for", async () => {
  const path = start(200);
  const post = (...lines: string[]): string => ["POST /a HTTP/1.1", ...lines, "", ""].join("\r\n");
  expect(await exchange(path, post("Content-Length: 4097"))).toStartWith("HTTP/1.1 413 ");
  expect(await exchange(path, post("Content-Length: 99999999999999"))).toStartWith("HTTP/1.1 400 ");
  for (const length of ["-1", "1e2", "4, 4", "0x8"]) {
    const answer = await exchange(path, post(`Content-Length: ${length}`));
    expect([length, answer.substring(0, 12)]).toEqual([length, "HTTP/1.1 400"]);
  }
  expect(await exchange(path, post("Transfer-Encoding: chunked"))).toStartWith("HTTP/1.1 411 ");
  expect(await exchange(path, post("Content-Length: 8"), "half")).toBe("");
});

test("HEAD has no body, and its length", async () => {
  const answer = await exchange(start(), "HEAD /abc HTTP/1.1\r\n\r\n");
  expect(answer).toContain("Content-Length: 9\r\n");
  expect(answer).toEndWith("\r\n\r\n");
});

test("a long answer comes whole", async () => {
  const answer = await exchange(start(), "GET /long HTTP/1.0\r\n\r\n");
  expect(answer.substring(answer.indexOf("\r\n\r\n") + 4)).toBe(LONG);
});

test("of pipelined requests the first is answered", async () => {
  const request = "GET /one HTTP/1.1\r\n\r\n";
  const answer = await exchange(start(), request.repeat(50));
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test("what is no request is refused", async () => {
  const path = start();
  expect(await exchange(path, "PING\r\n\r\n")).toStartWith("HTTP/1.1 400 ");
  const long = `GET / HTTP/1.1\r\nX: ${"x".repeat(HEAD_BYTES_MAX)}`;
  expect(await exchange(path, long)).toStartWith("HTTP/1.1 431 ");
  expect(await exchange(path, "GET /fault HTTP/1.1\r\n\r\n")).toStartWith("HTTP/1.1 500 ");
});

test("a client that ends in the middle of its request is gone, one that ends behind it is answered", async () => {
  const path = start();
  const half = await connect(path);
  half.send("GET / HTTP/1.1\r\n");
  half.end();
  expect(await half.answer).toBe("");
  const whole = await connect(path);
  whole.send("GET / HTTP/1.1\r\n\r\n");
  whole.end();
  expect(await whole.answer).toStartWith("HTTP/1.1 200 ");
});

test("slow and silent clients are cut after a time", async () => {
  const path = start(50);
  const silent = await connect(path);
  const slow = await connect(path);
  slow.send("GET / HT");
  expect(await Promise.all([silent.answer, slow.answer])).toEqual(["", ""]);
  expect(port?.connections).toBe(0);
});

test("with too many connections the oldest are cut, and a request is answered all the same", async () => {
  const path = start();
  const silent = await Promise.all(
    Array.from({ length: ADMIN_CONNECTIONS_MAX + 20 }, () => connect(path)),
  );
  expect(await exchange(path, "GET /a HTTP/1.1\r\n\r\n")).toContain("GET /a");
  expect(port?.connections).toBeLessThanOrEqual(ADMIN_CONNECTIONS_MAX);
  expect(await Promise.all(silent.slice(0, 20).map(({ answer }) => answer))).toEqual(
    new Array(20).fill(""),
  );
});

test("an answer waits for its turn; no answer is made for a client that has gone, or where too many wait", async () => {
  const turns: ((mayGo: boolean) => void)[] = [];
  const path = start(undefined, () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    turns.push(resolve);
    return promise;
  });
  const [first, gone, refused] = [await connect(path), await connect(path), await connect(path)];
  for (const [index, client] of [first, gone, refused].entries()) {
    client.send(index === 1 ? "GET /fault HTTP/1.1\r\n\r\n" : "GET /a HTTP/1.1\r\n\r\n");
    while (turns.length <= index) await Bun.sleep(1);
  }
  gone.cut();
  while (port!.connections > 2) await Bun.sleep(1);
  turns[2]!(false);
  expect(await refused.answer).toBe("");
  turns[1]!(true);
  turns[0]!(true);
  expect(await first.answer).toEndWith("GET /a");
  expect(made).not.toContain("/fault");
});
