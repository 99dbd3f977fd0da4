import { expect, test } from "bun:test";
import { SERVER } from "../../../src/api/stats.ts";
import { create, MESSAGE } from "./subscribed-rig.ts";

const PASSWORD = Buffer.from("secret");

test("every message is heard once it is whole; the rest can be taken along", () => {
  const { connection, attempts, heard } = create();
  connection.open();
  const socket = attempts[0]!.opens();
  expect([connection.isUp, heard.splice(0)]).toEqual([true, ["up"]]);
  socket.says(`${MESSAGE}${MESSAGE}${MESSAGE.substring(0, 10)}`);
  expect(heard.splice(0)).toEqual([MESSAGE, MESSAGE]);
  expect(`${connection.unread}`).toBe(MESSAGE.substring(0, 10));
  socket.says(MESSAGE.substring(10));
  expect(heard).toEqual([MESSAGE]);
  expect(connection.unread).toHaveLength(0);
});

test("with messages without end, the server is asked nothing but what it is subscribed to", async () => {
  const { connection, attempts, turn } = create();
  connection.open();
  const socket = attempts[0]!.opens();
  for (let i = 0; i < 30; i++) {
    turn.atMs += 100;
    socket.says(MESSAGE);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.received).toBe("");
});

test("what another process has left goes on in the middle of a message", () => {
  const { connection, heard, adopted, attempts } = create();
  connection.adopt({ fd: 9, unread: Buffer.from(MESSAGE.substring(0, 10)) });
  const socket = adopted();
  expect([connection.isUp, heard.splice(0)]).toEqual([true, ["up"]]);
  socket.says(`${MESSAGE.substring(10)}${MESSAGE}`);
  expect(heard).toEqual([MESSAGE, MESSAGE]);
  expect(attempts).toEqual([]);
});

test("a lost connection is made again, for as long as it is wanted", () => {
  const { connection, attempts, timers, heard, counters } = create();
  connection.open();
  attempts[0]!.opens().hangsUp();
  expect([heard.splice(0), connection.isUp]).toEqual([["up", "down: closed"], false]);
  expect(timers.filter(({ isCancelled }) => !isCancelled)).toHaveLength(1);
  timers.at(-1)!.callback();
  attempts[1]!.events.onError("ECONNREFUSED");
  expect(heard.splice(0)).toEqual(["down: refused"]);
  expect(connection.refusal?.kind).toBe("refused");
  timers.at(-1)!.callback();
  const socket = attempts[2]!.opens();
  // It was in trouble: it has to answer a probe first.
  expect(heard.splice(0)).toEqual([]);
  socket.says("+PONG\r\n");
  expect(heard.splice(0)).toEqual(["up"]);
  connection.discard();
  expect(heard).toEqual(["gone"]);
  expect(counters[SERVER.server_connections]).toBe(0);
  expect(attempts).toHaveLength(3);
});

test("a server that refuses a client's user is asked again all the same", () => {
  const { connection, attempts, timers, heard } = create({ password: PASSWORD, isChoice: true });
  connection.open();
  attempts[0]!.opens().says("-WRONGPASS no\r\n");
  expect(heard.splice(0)).toEqual(["down: handshake"]);
  timers.at(-1)!.callback();
  attempts[1]!.opens().says("+OK\r\n");
  expect(heard).toEqual(["up"]);
});

test("what makes no sense ends the connection", () => {
  const { connection, attempts, heard } = create();
  connection.open();
  attempts[0]!.opens().says(`${MESSAGE}nonsense\r\n${MESSAGE}`);
  expect(heard).toEqual(["up", MESSAGE, "down: garbage"]);
});

test("a server that was silent must answer before it is used again", () => {
  const { connection, attempts, timers, heard } = create();
  connection.open();
  attempts[0]!.opens();
  connection.giveUp(30_000);
  expect([heard.splice(0), connection.refusal?.kind]).toEqual([["up", "down: timeout"], "timeout"]);
  timers.at(-1)!.callback();
  const socket = attempts[1]!.opens();
  expect([heard.splice(0), connection.refusal?.kind]).toEqual([[], "timeout"]);
  socket.says("+PONG\r\n");
  expect([heard, connection.refusal]).toEqual([["up"], null]);
});

test("nothing more is heard once the one who hears has ended it", () => {
  const { connection, attempts, heard } = create({ onMessage: () => connection.discard() });
  connection.open();
  const socket = attempts[0]!.opens();
  socket.says(`${MESSAGE}${MESSAGE}`);
  expect(heard).toEqual(["up", "gone", MESSAGE]);
  expect(socket.isClosed).toBe(true);
});

test("it can be left to another process once everything is sent", async () => {
  const { connection, attempts, heard } = create();
  connection.open();
  const socket = attempts[0]!.opens();
  const request = Buffer.from("*2\r\n$9\r\nsubscribe\r\n$1\r\na\r\n");
  connection.ask(request);
  expect(connection.isMovable).toBe(false);
  await new Promise((resolve) => setImmediate(resolve));
  expect([connection.isMovable, socket.received]).toEqual([true, `${request}`]);
  socket.isMovable = false;
  expect(connection.isMovable).toBe(false);
  connection.leave();
  expect([socket.isDetached, socket.isClosed, heard]).toEqual([true, false, ["up", "gone"]]);
});
