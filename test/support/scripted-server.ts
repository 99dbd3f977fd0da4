/**
 * A server of which a test says each byte that it sends, in pieces of any size, and when: for servers that speak out of turn.
 *
 * While it is well it answers each request by itself. While it is not, requests are kept for the test.
 */

/** One protocol as a server knows it. */
export interface ServerProtocol {
  /** How many of the first bytes are one request; 0: it is not complete. */
  requestEnd(bytes: Buffer): number;
  /** The right reply. */
  answer(request: Buffer): Buffer;
  /** What opens a connection or a transaction, and is always answered. */
  isOpening(request: Buffer): boolean;
}

export interface ScriptedServer {
  readonly host: string;
  readonly port: number;
  isWell: boolean;
  /** Requests that came while it was not well, and are not answered. */
  readonly held: readonly Buffer[];
  /** Resolves when so many are held. */
  holds(count: number): Promise<void>;
  /** Sends `bytes` over the connection that the last request came over, `size` bytes at a time (0: all at once). */
  say(bytes: Buffer, size: number): Promise<void>;
  /** Forgets what is held, and is well again. */
  recover(): void;
  stop(): void;
}

interface State {
  unread: Buffer;
}

export function startScriptedServer(protocol: ServerProtocol): ScriptedServer {
  let held: Buffer[] = [];
  let last: Bun.Socket<State> | null = null;
  let isWell = true;
  const waiting: { count: number; resolve: () => void }[] = [];

  const onRequest = (socket: Bun.Socket<State>, request: Buffer): void => {
    last = socket;
    if (isWell || protocol.isOpening(request)) {
      socket.write(protocol.answer(request));
      return;
    }
    held.push(request);
    for (const { count, resolve } of waiting) if (held.length >= count) resolve();
  };

  const listener = Bun.listen<State>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { unread: Buffer.alloc(0) };
      },
      data(socket, chunk) {
        const { data } = socket;
        data.unread = Buffer.concat([data.unread, chunk]);
        for (;;) {
          const end = protocol.requestEnd(data.unread);
          if (end === 0) return;
          const request = Buffer.from(data.unread.subarray(0, end));
          data.unread = data.unread.subarray(end);
          onRequest(socket, request);
        }
      },
    },
  });

  return {
    host: "127.0.0.1",
    port: listener.port,
    get isWell() {
      return isWell;
    },
    set isWell(value) {
      isWell = value;
    },
    get held() {
      return held;
    },
    holds: (count) =>
      new Promise((resolve) => {
        if (held.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async say(bytes, size) {
      const step = size === 0 ? bytes.length : size;
      for (let at = 0; at < bytes.length; at += step) {
        if (!(await wrote(last, bytes.subarray(at, at + step)))) return;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
    recover() {
      held = [];
      waiting.length = 0;
      isWell = true;
    },
    stop: () => listener.stop(true),
  };
}

/** @returns false: the other end has closed the connection */
async function wrote(socket: Bun.Socket<State> | null, bytes: Buffer): Promise<boolean> {
  let at = 0;
  while (socket !== null && at < bytes.length) {
    const taken = socket.write(bytes, at);
    if (taken < 0) return false;
    at += taken;
    // The kernel's buffer is full.
    if (at < bytes.length) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return socket !== null;
}

/** Redis, with commands GET, HELLO, PING and so on: the value of a key is "value of" it. */
export const REDIS: ServerProtocol = {
  requestEnd(bytes) {
    const words = wordsOf(bytes);
    return words === null ? 0 : words.end;
  },
  answer(request) {
    const { words } = wordsOf(request)!;
    const [name = "", key = ""] = words;
    switch (name.toUpperCase()) {
      case "PING":
        return Buffer.from("+PONG\r\n");
      case "HELLO":
        return Buffer.from("%1\r\n$5\r\nproto\r\n:3\r\n");
      case "GET":
        return redisValue(key);
      case "MGET":
        return Buffer.from(
          `*${words.length - 1}\r\n${words.slice(1).map(redisValue).join("")}`,
          "latin1",
        );
      case "EXEC":
        return Buffer.from("*1\r\n+done\r\n");
      case "SUBSCRIBE":
        return Buffer.from(`*3\r\n$9\r\nsubscribe\r\n${bulk(key)}:1\r\n`);
      case "UNSUBSCRIBE":
        return Buffer.from(`*3\r\n$11\r\nunsubscribe\r\n${bulk(key)}:0\r\n`);
      case "DBSIZE":
        return Buffer.from(":7\r\n");
      default:
        return Buffer.from("+OK\r\n");
    }
  },
  isOpening: (request) =>
    /^\*\d+\r\n\$\d+\r\n(PING|HELLO|MULTI)\r\n/.test(request.toString("latin1")),
};

export function redisValue(key: string): Buffer {
  return Buffer.from(bulk(`value of ${key}`));
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

function wordsOf(bytes: Buffer): { words: string[]; end: number } | null {
  const text = bytes.toString("latin1");
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  let at = head[0].length;
  const words: string[] = [];
  for (let left = Number(head[1]); left > 0; left--) {
    const found = /^\$(\d+)\r\n/.exec(text.substring(at, at + 20));
    if (found === null) return null;
    const start = at + found[0].length;
    at = start + Number(found[1]) + 2;
    if (at > text.length) return null;
    words.push(text.substring(start, at - 2));
  }
  return { words, end: at };
}

/** Memcached's text protocol with meta commands, likewise. */
export const MEMCACHED_TEXT: ServerProtocol = {
  requestEnd(bytes) {
    const text = bytes.toString("latin1");
    const line = text.indexOf("\r\n");
    if (line < 0) return 0;
    const size = /^(?:set \S+ \d+ \d+|ms \S+) (\d+)/.exec(text)?.[1];
    const end = line + 2 + (size === undefined ? 0 : Number(size) + 2);
    return end <= text.length ? end : 0;
  },
  answer(request) {
    const [name = "", ...words] = request.toString("latin1").split("\r\n")[0]!.split(" ");
    const [key = ""] = words;
    if (name === "get" || name === "gets")
      return Buffer.from(`${words.map(textValue).join("")}END\r\n`);
    if (name === "mg")
      return metaValue(
        key,
        words.slice(1).filter((word) => /^[Ok]/.test(word)),
      );
    const replies: Record<string, string> = {
      ...{ set: "STORED", delete: "DELETED", incr: "7", decr: "6", touch: "TOUCHED" },
      ...{ ms: "HD", md: "HD", ma: "HD", me: `ME ${key} exp=-1`, flush_all: "OK" },
      ...{ version: "VERSION 1.6.18", stats: "STAT pid 1\r\nEND" },
    };
    return Buffer.from(`${replies[name] ?? "ERROR"}\r\n`);
  },
  isOpening: (request) => request.toString("latin1") === "version\r\n",
};

export function textValue(key: string): string {
  return `VALUE ${key} 0 ${9 + key.length}\r\nvalue of ${key}\r\n`;
}

export function metaValue(key: string, flags: readonly string[]): Buffer {
  const shown = flags.map((flag) => ` ${flag === "k" ? `k${key}` : flag}`).join("");
  return Buffer.from(`VA ${9 + key.length}${shown}\r\nvalue of ${key}\r\n`);
}

/** Memcached's binary protocol, likewise. */
export const MEMCACHED_BINARY: ServerProtocol = {
  requestEnd(bytes) {
    if (bytes.length < 24) return 0;
    const end = 24 + bytes.readUInt32BE(8);
    return end <= bytes.length ? end : 0;
  },
  answer: (request) => binaryReply(request),
  isOpening: (request) => request[1] === 0x0a,
};

/** The right reply to a request, or one that is wrong in what is given. */
export function binaryReply(
  request: Buffer,
  wrong: { opcode?: number; opaque?: number } = {},
): Buffer {
  const opcode = request[1]!;
  const extras = request[4]!;
  const key = request.toString("latin1", 24 + extras, 24 + extras + request.readUInt16BE(2));
  const isGet = opcode === 0x00;
  const body = isGet ? Buffer.from(`\0\0\0\0value of ${key}`) : Buffer.alloc(0);
  const reply = Buffer.alloc(24);
  reply[0] = 0x81;
  reply[1] = wrong.opcode ?? opcode;
  reply[4] = isGet ? 4 : 0;
  reply.writeUInt32BE(body.length, 8);
  reply.writeUInt32BE(wrong.opaque ?? request.readUInt32BE(12), 12);
  return Buffer.concat([reply, body]);
}
