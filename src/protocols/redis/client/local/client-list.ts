/** CLIENT LIST, INFO and KILL: of the clients of this pool. */
import { encodeError, encodeInteger } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { askWhetherPermitted } from "../identity/ask-servers.ts";
import type { RedisClient } from "../redis-client.ts";
import { type ClientFilter, type ClientType, encodeLines } from "./client-directory.ts";
import { clientLine } from "./client-line.ts";
import { answerLater, type LocalHandler, OK, texts } from "./local-handler.ts";

const SYNTAX: Buffer = encodeError("ERR syntax error");
const NOT_AN_ID: Buffer = encodeError("ERR client-id should be greater than 0");
const NO_SUCH_CLIENT: Buffer = encodeError("ERR No such client");
/** No client of a server has it, ever. */
const NO_CLIENT = ["ID", "9223372036854775807"];

export const clientInfo: LocalHandler = (client) =>
  encodeLines(clientLine(client), client.state.version);

/** CLIENT LIST [TYPE type | ID id …] */
export const clientList: LocalHandler = (client, view) => {
  const filter = listFilter(view);
  if (Buffer.isBuffer(filter)) return filter;
  if (!client.settleFirst()) return false;
  return answerLater(client, (answer) =>
    askWhetherPermitted(client, ["CLIENT", "LIST", "ID", "0"], (fault) => {
      if (fault !== null) answer(fault);
      else {
        const { pool, state } = client;
        pool.directory.list(filter, (lines) => answer(lines.reply(state.version)));
      }
    }),
  );
};

function listFilter(view: RequestView): ClientFilter | Buffer {
  if (view.count === 2) return {};
  const option = view.text(2).toUpperCase();
  if (option === "TYPE" && view.count === 4) {
    const type = typeNamed(view.text(3));
    return type === null ? unknownType(view.text(3)) : { type };
  }
  if (option !== "ID" || view.count === 3) return SYNTAX;
  const ids = texts(view, 3).map(parseInt64);
  if (ids.includes(null)) return encodeError("ERR Invalid client ID");
  return { ids: ids.map(Number) };
}

/** CLIENT KILL address, or any of [ID id] [TYPE type] [USER name] [ADDR address] [LADDR address] [SKIPME yes|no] */
export const clientKill: LocalHandler = (client, view) => {
  const isOldForm = view.count === 3;
  const filter = isOldForm ? { address: view.text(2) } : killFilter(client, view);
  if (Buffer.isBuffer(filter)) return filter;
  if (!client.settleFirst()) return false;
  const { session, features } = client;
  // Not the client's own words: no server shall look for connections of its own that they fit.
  const { user } = filter;
  const about = user === undefined ? [] : ["USER", Buffer.from(user, "latin1")];
  return answerLater(client, (answer) =>
    askWhetherPermitted(client, ["CLIENT", "KILL", ...about, ...NO_CLIENT], (fault) => {
      if (fault !== null) answer(fault);
      else {
        client.pool.directory.kill(filter, features.entry, (count) => {
          if (isOldForm) answer(count > 0 ? OK : NO_SUCH_CLIENT);
          else answer(encodeInteger(count));
          if (features.entry.leavesAfterReply) session.finish();
        });
      }
    }),
  );
};

function killFilter(client: RedisClient, view: RequestView): ClientFilter | Buffer {
  let filter: ClientFilter = {};
  let skipsMe = true;
  for (let i = 2; i < view.count; i += 2) {
    if (i + 1 === view.count) return SYNTAX;
    const option = view.text(i).toUpperCase();
    const value = view.text(i + 1);
    if (option === "SKIPME" && /^(yes|no)$/i.test(value)) {
      skipsMe = value.toLowerCase() === "yes";
      continue;
    }
    const part = filterPart(option, value);
    if (Buffer.isBuffer(part)) return part;
    filter = { ...filter, ...part };
  }
  return skipsMe ? { ...filter, except: client.state.id } : filter;
}

function filterPart(option: string, value: string): ClientFilter | Buffer {
  if (option === "ADDR") return { address: value };
  if (option === "LADDR") return { localAddress: value };
  if (option === "USER") return { user: value };
  if (option === "TYPE") {
    const type = typeNamed(value);
    return type === null ? unknownType(value) : { type };
  }
  if (option !== "ID") return SYNTAX;
  const id = parseInt64(value);
  return id === null || id < 1n ? NOT_AN_ID : { ids: [Number(id)] };
}

function typeNamed(name: string): ClientType | null {
  const lower = name.toLowerCase();
  if (lower === "slave") return "replica";
  return lower === "normal" || lower === "pubsub" || lower === "master" || lower === "replica"
    ? lower
    : null;
}

function unknownType(name: string): Buffer {
  return encodeError(`ERR Unknown client type '${name}'`);
}
