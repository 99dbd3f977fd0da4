import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import {
  CLIENT_INPUT_BYTES_MAX,
  CLIENTS_MAX,
  createStatsPort,
  type StatsPort,
} from "../../../src/admin/stats-port.ts";
import { listenUnix } from "./listening-fd.ts";

const directory = mkdtempSync(join(tmpdir(), "proxy-test-stats-port-"));
const LONG_LINE = `${"0123456789abcdef".repeat(500_000)}\n`;
let nextPath = 0;
let port: StatsPort | null = null;

afterEach(() => {
  port?.close();
  port = null;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function start(render: () => string, more: { clientLifetimeMs?: number } = {}) {
  const path = join(directory, `${nextPath++}.sock`);
  const errors: string[] = [];
  const onError = (error: Error): void => {
    errors.push(error.message);
  };
  port = createStatsPort({ fd: listenUnix(path), render, onError, ...more });
  return { path, port, errors };
}

interface Client {
  readonly socket: Socket<undefined>;
  /** All bytes up to the port's FIN or its cut; rejects when the connection was reset. */
  readonly line: Promise<string>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
}

/** A client that says `hello` and, as it is half-open, keeps its own direction until it chooses to close. */
async function connect(path: string, hello = ""): Promise<Client> {
  const line = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<void>();
  line.promise.catch(() => {});
  let text = "";
  const socket = await Bun.connect({
    unix: path,
    allowHalfOpen: true,
    socket: {
      open(opened) {
        if (hello !== "") opened.write(hello);
      },
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      end() {
        line.resolve(text);
      },
      close(_, error) {
        if (error) line.reject(error);
        else line.resolve(text);
        closed.resolve();
      },
    },
  });
  return { socket, line: line.promise, closed: closed.promise };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

describe("the stats port", () => {
  test("sends a fresh line to each client at once, then FIN", async () => {
    let count = 0;
    const { path, port } = start(() => `line ${++count}\n`);
    for (const expected of ["line 1\n", "line 2\n"]) {
      const client = await connect(path);
      expect(await client.line).toBe(expected);
      client.socket.end();
      await until(() => port.clients === 0);
    }
  });

  test("sends a line that is longer than the socket's buffers", async () => {
    const { path } = start(() => LONG_LINE);
    const client = await connect(path);
    expect((await client.line) === LONG_LINE).toBe(true);
    client.socket.end();
  });

  test("sends the whole line to a client that speaks first, as an HTTP client does", async () => {
    const { path } = start(() => LONG_LINE);
    const client = await connect(path, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
    expect((await client.line) === LONG_LINE).toBe(true);
    client.socket.end();
  });

  test("sends the whole line to a client that has sent its FIN already", async () => {
    const { path, port } = start(() => LONG_LINE);
    const client = await connect(path);
    client.socket.shutdown();
    expect((await client.line) === LONG_LINE).toBe(true);
    await until(() => port.clients === 0);
  });

  test("serves the next client while others neither read nor close, and cuts the oldest", async () => {
    const { path, port } = start(() => "line\n");
    const silent: Client[] = [];
    for (let i = 0; i < CLIENTS_MAX; i++) {
      silent.push(await connect(path));
      await silent.at(-1)!.line;
    }
    expect(port.clients).toBe(CLIENTS_MAX);
    const late = await connect(path);
    expect(await late.line).toBe("line\n");
    expect(port.clients).toBe(CLIENTS_MAX);
    // Writing shows the client that it was cut: it has seen the FIN before.
    await until(() => silent[0]!.socket.write("?") < 0);
    expect(silent[1]!.socket.write("?")).toBe(1);
    for (const client of [...silent, late]) client.socket.end();
  });

  test("cuts a client that does not go in time", async () => {
    const { path, port } = start(() => LONG_LINE, { clientLifetimeMs: 20 });
    const client = await connect(path);
    client.socket.pause();
    await until(() => port.clients === 1);
    await until(() => port.clients === 0);
    client.socket.resume();
    await client.closed;
    expect((await client.line).length).toBeLessThan(LONG_LINE.length);
  });

  test("cuts a client that sends more than any question needs", async () => {
    const { path, port } = start(() => "line\n", { clientLifetimeMs: 60_000 });
    const client = await connect(path);
    await client.line;
    const chunk = Buffer.alloc(16_384);
    let sent = 0;
    while (port.clients > 0) {
      sent += Math.max(0, client.socket.write(chunk));
      await Bun.sleep(0);
    }
    expect(sent).toBeGreaterThan(CLIENT_INPUT_BYTES_MAX);
    client.socket.end();
  });

  test("closes without a line when there is none to be had, says why, and goes on", async () => {
    let isBroken = true;
    const { path, port, errors } = start(() => {
      if (isBroken) throw new Error("no statistics");
      return "line\n";
    });
    const client = await connect(path);
    await client.closed;
    expect(errors).toEqual(["no statistics"]);
    expect(port.clients).toBe(0);
    isBroken = false;
    const next = await connect(path);
    expect(await next.line).toBe("line\n");
    next.socket.end();
  });
});

test("an fd that does not listen is refused", () => {
  const options = { fd: 987_654, render: () => "", onError: () => {} };
  expect(() => createStatsPort(options)).toThrow();
});
