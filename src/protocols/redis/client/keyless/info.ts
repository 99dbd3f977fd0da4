/**
 * INFO. One server's is its own, to the byte; several servers' become one. The section "proxy" is this proxy's: it is given
 * when it is asked for, and over several servers among the default ones, where it says how each of them is.
 */
import type { Upstream } from "../../../../api/upstream.ts";
import { VERSION } from "../../../../base/version.ts";
import { decodeReply } from "../../codec/decode.ts";
import { encodeRequest, type RespVersion } from "../../codec/encode.ts";
import { mergeInfo } from "../../codec/merge-info.ts";
import { isError } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, firstFault, refusalOf } from "../ask.ts";
import type { Answer } from "../collector.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";

const PROXY = "proxy";
const DEFAULTS: ReadonlySet<string> = new Set(["default", "all", "everything"]);

export function handleInfo(client: RedisClient, command: Command, view: RequestView): boolean {
  const isSharded = client.pool.route.upstreams.length > 1;
  const sections = sectionsOf(view);
  const others = sections.filter((name) => name !== PROXY);
  if (sections.length > 0 && others.length === 0) {
    client.answer(encodeText(proxySection(client), client.state.version));
    return true;
  }
  const isDefault = sections.length === 0 || sections.some((name) => DEFAULTS.has(name));
  const withProxy = others.length < sections.length || (isSharded && isDefault);
  if (!isSharded && !withProxy) return forwardToAny(client, command, view);
  const bytes = encodeRequest("INFO", ...others);
  return askAll(client, {
    requests: [{ bytes, start: 0, end: bytes.length }],
    reach: isSharded ? "available" : "all",
    merge: (answers) => merged(client, answers, withProxy),
  });
}

/** In lower case. */
function sectionsOf(view: RequestView): string[] {
  const names: string[] = [];
  for (let i = 1; i < view.count; i++) names.push(view.text(i).toLowerCase());
  return names;
}

/** Of the servers that answer: what can be told of the rest is in the section "proxy". */
function merged(client: RedisClient, answers: readonly Answer[], withProxy: boolean): Buffer {
  const texts: string[] = [];
  for (const answer of answers) {
    if (!Buffer.isBuffer(answer) || isError(answer)) continue;
    const text = decodeReply(answer, 0);
    if (Buffer.isBuffer(text)) texts.push(text.toString("latin1"));
  }
  if (texts.length === 0) return firstFault(client, answers) ?? NO_SERVER;
  // Of the process that stays when workers are replaced.
  const text = mergeInfo(texts, new Map([["process_id", `${process.ppid}`]]));
  const parts = withProxy ? [text, proxySection(client)] : [text];
  return encodeText(parts.filter((part) => part !== "").join("\r\n"), client.state.version);
}

function proxySection(client: RedisClient): string {
  const { upstreams } = client.pool.route;
  const states = upstreams.map((upstream) => stateOf(client, upstream));
  const lines = [
    "# Proxy",
    `proxy_version:${VERSION}`,
    `proxy_process_id:${process.pid}`,
    `proxy_uptime_in_seconds:${Math.floor(process.uptime())}`,
    `proxy_servers:${upstreams.length}`,
    `proxy_servers_up:${states.filter((state) => state === "up").length}`,
    ...upstreams.map(({ name }, i) => `proxy_server${i}:name=${name},state=${states[i]}`),
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}

function stateOf(client: RedisClient, upstream: Upstream): string {
  if (upstream.isEjected) return "ejected";
  return refusalOf(client, upstream) === null ? "up" : "down";
}

/** As Redis sends it: a verbatim string in RESP3. */
function encodeText(text: string, version: RespVersion): Buffer {
  const head = version === 3 ? `=${text.length + 4}\r\ntxt:` : `$${text.length}\r\n`;
  return Buffer.from(`${head}${text}\r\n`, "latin1");
}
