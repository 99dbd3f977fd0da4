import { expect, test } from "bun:test";
import { writeSync } from "node:fs";
import type { FdSocketOptions, UnixSocketOptions } from "bun";
import {
  type ControlChannel,
  openControlChannel,
} from "../../../../src/engine/bun/control-channel.ts";
import { closeFd } from "../../../../src/os/fd.ts";
import { createSocketPair } from "../../../../src/os/socket-pair.ts";

interface End {
  readonly channel: ControlChannel<unknown>;
  readonly received: unknown[];
  readonly closed: Promise<void>;
  waitFor(count: number): Promise<void>;
}

function openEnd(fd: number): End {
  const received: unknown[] = [];
  const closed = Promise.withResolvers<void>();
  let wanted = Number.POSITIVE_INFINITY;
  let arrived = Promise.withResolvers<void>();
  const channel = openControlChannel<unknown, unknown>(fd, {
    onMessage(message) {
      received.push(message);
      if (received.length >= wanted) arrived.resolve();
    },
    onClose: () => closed.resolve(),
  });
  return {
    channel,
    received,
    closed: closed.promise,
    waitFor(count) {
      wanted = count;
      arrived = Promise.withResolvers<void>();
      if (received.length >= count) arrived.resolve();
      return arrived.promise;
    },
  };
}

test("messages go both ways, whole and in order, also large ones and before the socket is open", async () => {
  const pair = createSocketPair();
  const ours = openEnd(pair.ours);
  const theirs = openEnd(pair.theirs);
  const large = { text: "é\n".repeat(2_000_000) };
  ours.channel.send({ n: 1 });
  ours.channel.send(large);
  ours.channel.send({ n: 3 });
  theirs.channel.send("back");
  await Promise.all([theirs.waitFor(3), ours.waitFor(1)]);
  expect(theirs.received[0]).toEqual({ n: 1 });
  expect((theirs.received[1] as { text: string }).text === large.text).toBe(true);
  expect(theirs.received[2]).toEqual({ n: 3 });
  expect(ours.received).toEqual(["back"]);
  ours.channel.close();
  await Promise.all([ours.closed, theirs.closed]);
  theirs.channel.send("into the void");
});

test("what is not a message closes the channel", async () => {
  const pair = createSocketPair();
  const ours = openEnd(pair.ours);
  const options: FdSocketOptions = { fd: pair.theirs, socket: { data() {} } };
  const raw = await Bun.connect(options as unknown as UnixSocketOptions);
  raw.write("{not json\n");
  await ours.closed;
  expect(ours.received).toEqual([]);
  raw.end();
});

test("a last message sent before the process ends arrives", async () => {
  const pair = createSocketPair();
  const ours = openEnd(pair.ours);
  const script = `
    import { openControlChannel } from ${JSON.stringify(`${import.meta.dir}/../../../../src/engine/bun/control-channel.ts`)};
    const channel = openControlChannel(3, { onClose() {}, onMessage(message) {
      channel.send({ echo: message });
      process.exit(0);
    } });`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdio: ["ignore", "inherit", "inherit", pair.theirs],
  });

  closeFd(pair.theirs);
  ours.channel.send("hello");
  await ours.closed;
  expect(ours.received).toEqual([{ echo: "hello" }]);
  expect(await child.exited).toBe(0);
});

test("the end of its process closes the channel, with all that it said, though another process holds its end", async () => {
  const pair = createSocketPair();
  const ours = openEnd(pair.ours);
  const said = Array.from({ length: 100 }, (_, n) => ({ n }));
  for (const message of said) writeSync(pair.theirs, `${JSON.stringify(message)}\n`);
  ours.channel.finish();
  expect(() => writeSync(pair.theirs, "too late\n")).toThrow("EPIPE");
  await ours.closed;
  expect(ours.received).toEqual(said);
  closeFd(pair.theirs);
});
