/** A name server on loopback that answers as it is told, over UDP. */
import { createSocket } from "node:dgram";

export interface DnsRecord {
  readonly type: "A" | "AAAA" | "SRV";
  readonly ttl: number;
  /** An address; for SRV a target. */
  readonly data: string;
  readonly port?: number;
  readonly priority?: number;
  readonly weight?: number;
}

const TYPES: Readonly<Record<DnsRecord["type"], number>> = { A: 1, AAAA: 28, SRV: 33 };
const NO_SUCH_NAME = 3;
const SERVER_FAILED = 2;

export class DnsServer {
  readonly address: string;
  /** How often each name was asked for, of whatever type. */
  readonly asked: Map<string, number> = new Map();
  /** It answers nothing. */
  isSilent = false;
  /** It answers that it cannot tell. */
  isFailing = false;
  private readonly socket: ReturnType<typeof createSocket>;
  private readonly records: Map<string, readonly DnsRecord[]> = new Map();

  private constructor(socket: ReturnType<typeof createSocket>) {
    this.socket = socket;
    this.address = `127.0.0.1:${socket.address().port}`;
    socket.on("message", (query, from) => {
      const reply = this.answer(query);
      if (reply !== null) socket.send(reply, from.port, from.address);
    });
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket("udp4");
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.bind(0, "127.0.0.1", resolve);
    await promise;
    return new DnsServer(socket);
  }

  set(name: string, records: readonly DnsRecord[]): void {
    this.records.set(name, records);
  }

  stop(): void {
    this.socket.close();
  }

  private answer(query: Buffer): Buffer | null {
    if (this.isSilent) return null;
    const { name, type, end } = readQuestion(query);
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    const known = this.records.get(name);
    const fitting = (known ?? []).filter((record) => TYPES[record.type] === type);
    const header = Buffer.from(query.subarray(0, 12));
    const code = this.isFailing ? SERVER_FAILED : known === undefined ? NO_SUCH_NAME : 0;
    const answers = this.isFailing ? [] : fitting;
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    header.writeUInt32BE(0, 8);
    return Buffer.concat([header, query.subarray(12, end), ...answers.map(encodeRecord)]);
  }
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (query[at] !== 0) {
    const length = query[at]!;
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join("."), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function encodeRecord(record: DnsRecord): Buffer {
  const data = encodeData(record);
  const head = Buffer.alloc(12);
  // The name of the question.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TYPES[record.type], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(record.ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function encodeData({ type, data, port = 0, priority = 0, weight = 0 }: DnsRecord): Buffer {
  if (type === "A") return Buffer.from(data.split(".").map(Number));
  if (type === "AAAA") {
    // "::1" and the like: what stands before the gap is not needed.
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16BE(Number.parseInt(data.split(":").at(-1) ?? "0", 16), 14);
    return bytes;
  }
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(priority, 0);
  numbers.writeUInt16BE(weight, 2);
  numbers.writeUInt16BE(port, 4);
  const labels = data.split(".").map((label) => {
    return Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]);
  });
  return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
}
