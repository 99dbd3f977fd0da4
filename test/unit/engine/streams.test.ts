/** The engines against the kernel: what the data plane relies on, with both. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../../src/api/engine.ts";
import type { Stream } from "../../../src/api/stream.ts";
import { closeFd, duplicateFd } from "../../../src/os/fd.ts";
import { boundPort, listenTcp } from "../../../src/os/listen-socket.ts";
import { closeEngines, Ear, ENGINES, engineNamed, PLAIN, writeAll } from "../../support/engines.ts";
import {
  accepting,
  cleanUp,
  connect,
  connected,
  ended,
  KINDS,
  later,
  type Pair,
  pattern,
  readAll,
} from "../../support/stream-pairs.ts";

const MIB = 1024 * 1024;

afterEach(cleanUp);
afterAll(closeEngines);

describe.each(ENGINES)("%s", (name) => {
  const engine = (): Engine => engineNamed(name);

  test.each(KINDS)("bytes go both ways over a connection that was made: %s", async (kind) => {
    const { stream, ear, peer } = await connected(engine(), kind);
    peer.write("ping");
    await ear.until(() => ear.size === 4);
    expect(`${ear.bytes}`).toBe("ping");
    const answer = readAll(peer, 4);
    expect(stream.write(Buffer.from("xpong"), 1, 4)).toBe(4);
    expect(`${await answer}`).toBe("pong");
    expect(stream.peer).toMatch(kind === "unix" ? /^unix$/ : /^(127\.0\.0\.1|::1):\d+$/);
    expect(stream.localAddress).toMatch(kind === "unix" ? /^unix$/ : /:\d+$/);
    expect(stream.fd).toBeGreaterThan(2);
  });

  test.each(KINDS)("and over one that was accepted: %s", async (kind) => {
    const [{ stream, ear, peer } = {} as Pair] = await accepting(engine(), kind, 1);
    peer.write("ping");
    await ear.until(() => ear.size === 4);
    const answer = readAll(peer, 4);
    stream.write(Buffer.from("pong"), 0, 4);
    expect(`${await answer}`).toBe("pong");
    const origins = { tcp: "127.0.0.1", tcp6: "0:0:0:0::/64", unix: `uid ${process.getuid!()}` };
    expect(stream.origin).toBe(origins[kind]);
  });

  test("what is written in pieces within a turn arrives in order", async () => {
    const { stream, peer } = await connected(engine());
    const text = "abcdefghij".repeat(50);
    const answer = readAll(peer, text.length);
    for (let at = 0; at < text.length; at += 5) {
      expect(stream.write(Buffer.from(text), at, 5)).toBe(5);
    }
    expect(`${await answer}`).toBe(text);
  });

  test.each(KINDS)("much arrives whole, both ways at once: %s", async (kind) => {
    const { stream, ear, peer } = await connected(engine(), kind);
    const bytes = pattern(6 * MIB);
    const arrived = readAll(peer, bytes.length);
    peer.write(bytes);
    await writeAll(stream, ear, bytes);
    expect((await arrived).equals(bytes)).toBe(true);
    await ear.until(() => ear.size === bytes.length);
    expect(ear.bytes.equals(bytes)).toBe(true);
  });

  test("a stream whose peer does not read takes some, and says when there is room", async () => {
    const { stream, ear, peer } = await connected(engine());
    peer.pause();
    const bytes = pattern(24 * MIB);
    let sent = 0;
    for (let taken = 1; taken > 0; sent += taken) {
      taken = stream.write(bytes, sent, Math.min(1000, bytes.length - sent));
    }
    const written = writeAll(stream, ear, bytes.subarray(sent));
    expect(sent).toBeLessThan(bytes.length);
    const arrived = readAll(peer, bytes.length);
    peer.resume();
    await written;
    expect(ear.heard).toContain("drain");
    expect((await arrived).equals(bytes)).toBe(true);
  });

  test("close is heard once, from inside; what was written before it arrives, and the end", async () => {
    const { stream, ear, peer } = await connected(engine());
    const answer = readAll(peer, 4);
    const end = ended(peer);
    stream.write(Buffer.from("last"), 0, 4);
    stream.close();
    stream.close();
    expect(ear.heard.filter((what) => what !== "drain")).toEqual(["close"]);
    expect(stream.write(Buffer.from("x"), 0, 1)).toBe(-1);
    expect(stream.fd).toBe(-1);
    expect(stream.peer).toBe("closed");
    expect(`${await answer}`).toBe("last");
    await end;
  });

  test("shutdown sends the end behind what was written, and the other direction goes on", async () => {
    const { stream, ear, peer } = await connected(engine());
    const answer = readAll(peer, 4);
    const end = ended(peer);
    stream.write(Buffer.from("last"), 0, 4);
    stream.shutdown();
    expect(`${await answer}`).toBe("last");
    await end;
    peer.write("more");
    await ear.until(() => ear.size === 4);
    expect(stream.write(Buffer.from("x"), 0, 1)).toBe(-1);
  });

  test("the peer's end is heard, and writing is still possible", async () => {
    const { stream, ear, peer } = await connected(engine());
    peer.end("bye");
    await ear.until(() => ear.heard.includes("end"));
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(ear.story).toEqual(["bytes", "end"]);
    const answer = readAll(peer, 4);
    stream.write(Buffer.from("last"), 0, 4);
    expect(`${await answer}`).toBe("last");
  });

  test("a connection that is not half-open closes behind the peer's end", async () => {
    const { ear, peer } = await connected(engine(), "tcp", false);
    peer.end("bye");
    expect(await ear.closed).toBe("");
    expect(ear.story.at(-1)).toBe("close");
    expect(`${ear.bytes}`).toBe("bye");
  });

  test("a reset is heard with its cause", async () => {
    const { ear, peer } = await connected(engine());
    peer.resetAndDestroy();
    expect(await ear.closed).toBe("ECONNRESET");
  });

  test("a reset behind the end is heard", async () => {
    const { stream, ear, peer } = await connected(engine());
    peer.end();
    await ear.until(() => ear.heard.includes("end"));
    peer.resetAndDestroy();
    // The kernel may tell it only to a stream that writes.
    ear.onNext = () => {};
    const bytes = Buffer.from("x");
    const timer = setInterval(() => stream.write(bytes, 0, 1), 1);
    await ear.closed;
    clearInterval(timer);
    expect(ear.heard.filter((what) => what === "close")).toHaveLength(1);
  });

  test("abort resets", async () => {
    const { stream, ear, peer } = await connected(engine());
    const { promise, resolve } = Promise.withResolvers<string>();
    peer.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    peer.resume();
    stream.abort();
    expect(ear.heard).toEqual(["close"]);
    expect(await promise).toBe("ECONNRESET");
  });

  test("a paused stream is not read, and loses nothing", async () => {
    const { stream, ear, peer } = await connected(engine());
    const bytes = pattern(4 * MIB);
    ear.onNext = () => {
      if (ear.size > 0 && ear.size < MIB) stream.pause();
    };
    peer.write(bytes);
    await ear.until(() => ear.size > 0);
    const before = ear.size;
    // Several turns of the loop.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(ear.size).toBe(before);
    ear.onNext = () => {};
    stream.resume();
    // Never from inside of the call.
    expect(ear.size).toBe(before);
    await ear.until(() => ear.size === bytes.length);
    expect(ear.bytes.equals(bytes)).toBe(true);
  });

  test("paused and resumed again and again it loses nothing, and its end is heard last", async () => {
    const { stream, ear, peer } = await connected(engine());
    const bytes = pattern(6 * MIB);
    let turns = 0;
    ear.onNext = () => {
      stream.pause();
      if (turns++ % 3 === 0) stream.resume();
      else setImmediate(() => stream.resume());
    };
    peer.end(bytes);
    await ear.until(() => ear.heard.includes("end"));
    expect(ear.bytes.equals(bytes)).toBe(true);
    expect(ear.story).toEqual(["bytes", "end"]);
  });

  test("what a quiesced stream had received is heard, and it can go to another owner", async () => {
    const { stream, ear, peer } = await connected(engine());
    const bytes = pattern(8 * MIB);
    ear.onNext = () => stream.pause();
    peer.write(bytes);
    await ear.until(() => ear.size > 0);
    stream.quiesce();
    const { size } = ear;
    expect(size).toBeLessThan(bytes.length);
    const { promise, resolve } = Promise.withResolvers<void>();
    const second = new Ear();
    engine().adopt(
      duplicateFd(stream.fd),
      PLAIN,
      (adopted) => {
        later(() => adopted.close());
        return second;
      },
      (reason) => {
        throw new Error(reason);
      },
    );
    stream.detach();
    expect(stream.fd).toBe(-1);
    second.onNext = () => {
      if (size + second.size === bytes.length) resolve();
    };
    await promise;
    expect(ear.size).toBe(size);
    expect(Buffer.concat([ear.bytes, second.bytes]).equals(bytes)).toBe(true);
    expect(ear.heard).not.toContain("close");
  });

  test("what a detached stream could not send is told, and comes once", async () => {
    const { stream, ear, peer } = await connected(engine());
    peer.pause();
    const bytes = pattern(24 * MIB);
    let sent = 0;
    // Until nothing is taken even when all that was taken before has gone to the kernel.
    for (let refusals = 0; refusals < 2; ) {
      const taken = stream.write(bytes, sent, 1000);
      sent += taken;
      refusals = taken > 0 ? 0 : refusals + 1;
      stream.quiesce();
    }
    const unsent = Buffer.from(stream.unsent);
    const fd = duplicateFd(stream.fd);
    stream.detach();
    const second = new Ear();
    const { promise, resolve } = Promise.withResolvers<Stream>();
    engine().adopt(
      fd,
      PLAIN,
      (adopted) => {
        resolve(adopted);
        return second;
      },
      () => {},
    );
    const adopted = await promise;
    const arrived = readAll(peer, sent);
    peer.resume();
    await writeAll(adopted, second, unsent);
    expect((await arrived).equals(bytes.subarray(0, sent))).toBe(true);
    expect(ear.heard).not.toContain("close");
    adopted.close();
  });

  test("a stream that is quiesced and stays goes on", async () => {
    const { stream, ear, peer } = await connected(engine());
    const bytes = pattern(4 * MIB);
    const timer = setInterval(() => stream.quiesce(), 1);
    peer.write(bytes);
    await ear.until(() => ear.size === bytes.length);
    clearInterval(timer);
    expect(ear.bytes.equals(bytes)).toBe(true);
  });

  test.each([
    ["paused before", true, false],
    ["paused after", false, true],
    ["not paused", false, false],
  ])("of a connection that a write finds gone the end is heard: %s", async (_, before, after) => {
    const { stream, ear, peer } = await connected(engine(), "unix");
    if (before) stream.pause();
    await new Promise<void>((resolve) => peer.write("last", () => resolve()));
    peer.destroy();
    await new Promise((resolve) => peer.once("close", resolve));
    while (stream.write(Buffer.from("x"), 0, 1) >= 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (after) stream.pause();
    await ear.closed;
    // Of what had been received before, nothing is lost.
    expect(`${ear.bytes}`).toBe("last");
    expect(ear.story.at(-1)).toBe("close");
  });

  test("of a TCP connection that a write finds gone no end in good order is heard", async () => {
    const { stream, ear, peer } = await connected(engine());
    await new Promise<void>((resolve) => peer.write("last", () => resolve()));
    peer.resetAndDestroy();
    await new Promise((resolve) => peer.once("close", resolve));
    while (stream.write(Buffer.from("x"), 0, 1) >= 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ear.closed).toBe("ECONNRESET");
    expect(ear.story).toEqual(["bytes", "close"]);
  });

  test("an attempt fails with its code, or after being abandoned is silent", async () => {
    const heard: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const address = { kind: "unix", path: join(tmpdir(), "no-such-socket"), mode: null } as const;
    const events = (who: string, then: () => void) => ({
      onOpen: () => heard.push(`${who} open`),
      onError: (cause: string) => {
        heard.push(`${who} ${cause}`);
        then();
      },
    });
    const abandoned = events("abandoned", () => {});
    engine().connect(address, PLAIN, abandoned, new Ear()).abandon();
    engine().connect(address, PLAIN, events("tried", resolve), new Ear());
    await promise;
    expect(heard).toEqual(["tried ENOENT"]);
  });

  test("a refused attempt says so", async () => {
    const fd = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 1, reusePort: false });
    const port = boundPort(fd);
    closeFd(fd);
    const attempt = connect(engine(), { kind: "tcp", host: "127.0.0.1", port }, new Ear());
    expect(attempt).rejects.toThrow("ECONNREFUSED");
    await attempt.catch(() => {});
  });

  test("a descriptor that is no stream socket is not adopted", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const fd = duplicateFd(0);
    engine().adopt(fd, PLAIN, () => null, resolve);
    expect(await promise).toContain("no stream socket");
  });

  test("a timer fires once, at its time or after it, unless it is cancelled", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let calls = 0;
    const cancel = engine().timer(5, () => {
      throw new Error("cancelled");
    });
    cancel();
    const startMs = performance.now();
    engine().timer(10, () => {
      calls++;
      engine().timer(10, resolve);
    });
    await promise;
    expect(calls).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThan(15);
  });

  test("1,200 connections at once, each with its own bytes", async () => {
    const pairs = await accepting(engine(), "tcp", 1_200);
    const total = Promise.all(
      pairs.map(({ stream, ear }) => ear.until(() => ear.size === 8).then(() => stream.peer)),
    );
    for (const { peer } of pairs) peer.write(`${peer.localPort}`.padEnd(8));
    const peers = await total;
    for (const [index, { ear }] of pairs.entries()) {
      expect(peers[index]).toEndWith(`:${`${ear.bytes}`.trim()}`);
    }
    const answers = pairs.map(({ peer }) => readAll(peer, 5));
    for (const { stream, ear } of pairs) {
      stream.write(Buffer.from(`${`${ear.bytes}`.trim().padEnd(5)}`), 0, 5);
    }
    const ports = await Promise.all(answers);
    for (const [index, { peer }] of pairs.entries()) {
      expect(`${ports[index]}`.trim()).toBe(`${peer.localPort}`);
    }
  }, 30_000);
});
