/** The test drivers themselves: a client that frames replies wrongly would compare the wrong bytes. */
import { afterEach, describe, expect, test } from "bun:test";
import { cut, sendInPieces } from "../../support/chunked-client.ts";
import { type FakeServer, startFakeServer } from "../../support/fake-server.ts";
import { RespClient, replyEnd } from "../../support/resp-client.ts";

describe("replyEnd", () => {
  const replies = ["+OK\r\n", "-ERR x\r\n", ":12\r\n", "$-1\r\n", "$0\r\n\r\n", "$2\r\n\r\n\r\n"];
  const nested = `*3\r\n*2\r\n:1\r\n$1\r\na\r\n*-1\r\n*0\r\n`;

  const resp3 = ["_\r\n", "#t\r\n", ",1.5\r\n", "=5\r\ntxt:a\r\n", "%1\r\n+a\r\n~1\r\n:1\r\n"];

  test.each([...replies, nested, ...resp3])(
    "finds the end of %j, and only with its last byte",
    (reply) => {
      const bytes = Buffer.from(`${reply}+next\r\n`);
      expect(replyEnd(bytes, 0)).toBe(reply.length);
      for (let length = 0; length < reply.length; length++) {
        expect(replyEnd(bytes.subarray(0, length), 0)).toBe(-1);
      }
    },
  );

  test("refuses what is no reply", () => {
    expect(() => replyEnd(Buffer.from("HTTP/1.1\r\n"), 0)).toThrow("not a reply");
    expect(() => replyEnd(Buffer.from("$x\r\n"), 0)).toThrow("not a reply");
  });
});

describe("cut", () => {
  test("cuts at the offsets, whatever their order, and loses nothing", () => {
    const pieces = cut(Buffer.from("abcdef"), [4, 1, 1, 0, 6, 99, -3]);
    expect(pieces.map((piece) => piece.toString())).toEqual(["a", "bcd", "ef"]);
    expect(cut(Buffer.alloc(0), [1])).toEqual([]);
  });
});

describe("RespClient against a fake server", () => {
  let server: FakeServer | null = null;
  const clients: RespClient[] = [];

  const connect = async (): Promise<RespClient> => {
    const client = await RespClient.connect({ host: "127.0.0.1", port: server?.port ?? 0 });
    clients.push(client);
    return client;
  };

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    server?.stop();
    server = null;
  });

  test("takes replies one by one, as the bytes that came", async () => {
    server = startFakeServer((args) => `$${args[1]?.length}\r\n${args[1]}\r\n`);
    const client = await connect();
    client.command(["SAY", "a\r\n"], ["SAY", ""], ["PING"]);
    const replies = await client.replies(3);
    expect(replies.map(String)).toEqual(["$3\r\na\r\n\r\n", "$0\r\n\r\n", "+PONG\r\n"]);
    expect(server.requests).toEqual([
      ["SAY", "a\r\n"],
      ["SAY", ""],
    ]);
  });

  test("requests in pieces arrive whole", async () => {
    server = startFakeServer((args) => `:${args.length}\r\n`);
    const client = await connect();
    const bytes = Buffer.from("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    const everywhere = Array.from(bytes, (_, offset) => offset);
    await sendInPieces(client, cut(bytes, everywhere));
    expect(`${await client.reply()}`).toBe(":2\r\n");
  });

  test("a close is an error while a reply is awaited, and an end otherwise", async () => {
    server = startFakeServer((_, connection) => {
      connection.send("$5\r\nab");
      connection.close();
      return null;
    });
    const client = await connect();
    client.command(["GET", "k"]);
    await expect(client.reply()).rejects.toThrow("closed before a reply");
    const other = await connect();
    other.command(["GET", "k"]);
    expect(`${await other.untilClosed()}`).toBe("$5\r\nab");
    expect(other.isClosed).toBe(true);
  });

  test("large replies come whole through a small buffer", async () => {
    const size = 3 * 2 ** 20;
    let unsent = Buffer.from(`$${size}\r\n${"x".repeat(size)}\r\n+OK\r\n`);
    const flush = (socket: Bun.Socket): void => {
      unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
    };
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: flush, drain: flush },
    });
    const client = await RespClient.connect({ host: "127.0.0.1", port: listener.port });
    clients.push(client);
    client.command(["GET", "k"]);
    expect((await client.reply()).length).toBe(size + `$${size}\r\n\r\n`.length);
    expect(`${await client.reply()}`).toBe("+OK\r\n");
    listener.stop(true);
  });
});
