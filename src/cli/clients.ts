/** `proxy clients`: who is connected, over all workers; and `proxy kick`: disconnects some. */
import { type CommandDef, defineCommand } from "citty";
import {
  CLIENT_ORDERS,
  CLIENT_STATES,
  type ClientReport,
  type ClientRow,
  type KickedClient,
} from "../api/inspection.ts";
import { CLIENTS_SHOWN_MAX } from "../base/limits.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { formatAge, formatBytes } from "./figures.ts";
import { formatKey } from "./key-text.ts";
import { formatTable } from "./table.ts";

/** Longer than all workers may take to answer, and those before it in the queue. */
const TIMEOUT_MS = 30_000;

const CLIENTS_ARGS = {
  ...CONTROL_ARGS,
  sort: {
    type: "string",
    valueHint: "BY",
    default: "requests",
    description: `The most first of: ${CLIENT_ORDERS.join(", ")} (default: requests)`,
  },
  number: {
    type: "string",
    alias: ["n", "limit"] as string[],
    valueHint: "N",
    default: "20",
    description: `The first N (default: 20; at most ${CLIENTS_SHOWN_MAX})`,
  },
  pool: { type: "string", valueHint: "POOL", description: "Only of this pool" },
  address: { type: "string", valueHint: "TEXT", description: "Only those whose address begins so" },
  name: { type: "string", valueHint: "NAME", description: "Only those that named themselves so" },
  user: { type: "string", valueHint: "USER", description: "Only those of this user" },
  state: {
    type: "string",
    valueHint: "STATE",
    description: `Only those that are: ${CLIENT_STATES.join(", ")}`,
  },
} as const;

const clients = defineCommand({
  meta: { name: "clients", description: "Show who is connected, and what they do" },
  args: CLIENTS_ARGS,
  async run({ args }): Promise<number> {
    const order = CLIENT_ORDERS.find((one) => one === args.sort);
    if (order === undefined) return misuse("--sort", CLIENT_ORDERS.join(", "), args.sort);
    const state = CLIENT_STATES.find((one) => one === args.state) ?? null;
    if (state === null && args.state !== undefined) {
      return misuse("--state", CLIENT_STATES.join(", "), args.state);
    }
    if (!/^[1-9]\d{0,5}$/.test(args.number)) return misuse("--number", "a number", args.number);
    const { pool = null, address = null, name = null, user = null } = args;
    const query = { order, limit: Number(args.number), pool, address, name, user, state };
    const options = { timeoutMs: TIMEOUT_MS, untilGone: false };
    return report(
      await callProxy(args, { verb: "clients", query }, options),
      args.json,
      (result) => (result.verb === "clients" ? clientsText(result.report) : ""),
    );
  },
});

/** The type of its flags matters to itself only. */
export const clientsCommand: CommandDef = clients as unknown as CommandDef;

const KICK_ARGS = {
  client: {
    type: "positional",
    required: true,
    description:
      "Its number, or its address: all clients at that address, as proxy clients shows it",
  },
  ...CONTROL_ARGS,
} as const;

const kick = defineCommand({
  meta: { name: "kick", description: "Disconnect a client" },
  args: KICK_ARGS,
  async run({ args }): Promise<number> {
    const { client } = args;
    const target = /^\d{1,16}$/.test(client) ? { id: Number(client) } : { address: client };
    if ("id" in target && target.id === 0) return misuse("CLIENT", "a number from 1 on", client);
    const options = { timeoutMs: TIMEOUT_MS, untilGone: false };
    return report(await callProxy(args, { verb: "kick", target }, options), args.json, (result) =>
      result.verb === "kick" ? result.clients.map(kickedLine).join("") : "",
    );
  },
});

export const kickCommand: CommandDef = kick as unknown as CommandDef;

function misuse(what: string, expected: string, found: string | undefined): number {
  process.stderr.write(`proxy: ${what}: expected ${expected}, found "${found}"\n`);
  return EXIT_USAGE;
}

function kickedLine({ id, pool, address, name }: KickedClient): string {
  const named = name === "" ? "" : ` (${formatKey(Buffer.from(name))})`;
  return `disconnected: client ${id} at ${address}${named} of pool ${pool}\n`;
}

const HEADING = [
  ...["client", "pool", "address", "name", "user", "worker", "age", "idle"],
  ...["requests", "received", "sent", "pending", "owed", "state"],
];

function clientsText({ total, matching, rows }: ClientReport): string {
  const table = formatTable([HEADING, ...rows.map(cells)], [0, 5, 6, 7, 8, 9, 10, 11, 12]);
  const shown = `${rows.length} of ${matching}`;
  const summary = matching === total ? `${shown} clients` : `${shown} that match; ${total} clients`;
  return [...(rows.length === 0 ? [] : table), summary].map((line) => `${line}\n`).join("");
}

function cells(row: ClientRow): string[] {
  const { id, pool, address, name, user, worker, ageMs, idleMs } = row;
  const texts = [name, user].map((text) => (text === "" ? "-" : formatKey(Buffer.from(text))));
  return [
    ...[`${id}`, pool, address, ...texts, `${worker}`, formatAge(ageMs), formatAge(idleMs)],
    ...[`${row.requests}`, formatBytes(row.received), formatBytes(row.sent)],
    ...[`${row.pending}`, formatBytes(row.owed), row.state],
  ];
}
