/** Redis's own words for requests that it would not execute (server.c, processCommand), to the byte. */
import type { Failure } from "../../../api/upstream.ts";
import { encodeError } from "../codec/encode.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";

export const NOAUTH: Buffer = encodeError("NOAUTH Authentication required.");

export const NO_SERVER: Buffer = encodeError(
  "ERR Connection refused (all servers of the pool are ejected)",
);

export const MISMATCH: Buffer = encodeError(
  "ERR Invalid argument (a server's reply does not fit the command)",
);

/** Replies to failures, by failure: they are few objects for many requests. */
const failureReplies = new WeakMap<Failure, Buffer>();

export function replyToFailure(failure: Failure): Buffer {
  if (failure.reply !== undefined) return failure.reply;
  let reply = failureReplies.get(failure);
  if (reply === undefined) {
    reply = encodeError(`ERR ${failure.text}`);
    failureReplies.set(failure, reply);
  }
  return reply;
}

const SHOWN_BYTES_MAX = 128;

export function unknownCommand(view: RequestView): Buffer {
  let shown = "";
  for (let i = 1; i < view.count && shown.length < SHOWN_BYTES_MAX; i++) {
    shown += `'${cText(view, i, SHOWN_BYTES_MAX - shown.length)}' `;
  }
  const name = cText(view, 0, SHOWN_BYTES_MAX);
  return encodeError(`ERR unknown command '${name}', with args beginning with: ${shown}`);
}

export function unknownSubcommand(container: Command, view: RequestView): Buffer {
  const name = cText(view, 1, SHOWN_BYTES_MAX);
  return encodeError(`ERR unknown subcommand '${name}'. Try ${container.name} HELP.`);
}

export function wrongArity(command: Command): Buffer {
  const name = command.name.toLowerCase();
  return encodeError(`ERR wrong number of arguments for '${name}' command`);
}

/** Argument i as printf's %.*s shows it: up to `bytesMax` bytes, up to a NUL. */
export function cText(view: RequestView, i: number, bytesMax: number): string {
  const from = view.from(i);
  const text = view.bytes.toString("latin1", from, Math.min(view.to(i), from + bytesMax));
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.substring(0, nul);
}
