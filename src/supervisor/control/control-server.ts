/**
 * The supervisor's side of the control socket: takes requests of commands such as `proxy reload`.
 *
 * A user that may open the socket file may command: it is mode 0600. Callers are bounded in number, time and size.
 */
import { lstatSync, mkdirSync } from "node:fs";
import type { Config } from "../../api/config.ts";
import {
  type ControlReply,
  type ControlRequest,
  type ControlResult,
  REQUEST_BYTES_MAX,
} from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import { controlPath } from "../../config/control-path.ts";
import {
  acceptControlChannels,
  type ChannelSnapshot,
  type ControlChannel,
  type ControlEvents,
  type ControlListener,
} from "../../engine/bun/control-channel.ts";
import { listenUnix, type SocketFile, unlinkSocket } from "../../os/listen-socket.ts";
import { peerUser } from "../../os/socket-facts.ts";
import { readRequest } from "./control-request.ts";

/** Who asked, and hears how it goes. */
export interface Caller {
  /** The user; -1: it is not known any more. */
  readonly uid: number;
  progress(text: string): void;
  result(result: ControlResult): void;
  /** For the program that replaces this one, to send the result; null: the caller is gone. */
  snapshot(): ChannelSnapshot | null;
}

/** The socket as plain data, for a program that goes on with it. */
export interface ControlSocket {
  readonly fd: number;
  readonly file: SocketFile;
}

const BACKLOG = 16;
const MODE = 0o600;
const FOLDER_MODE = 0o700;
/** One more is turned away. */
const CALLERS_MAX = 16;
/** A caller must say what it wants within this time, and take its result within this time. */
const CALLER_TIMEOUT_MS = 5_000;

/** Where `config` has its control socket; null: nowhere, because there is no file to derive it from. */
export function controlSocketPath(config: Config): string | null {
  if (config.control !== null) return config.control;
  return config.file === null ? null : controlPath(config.file, ownPlace()).path;
}

/** @throws Error in one line when it cannot be opened, or another proxy has it */
export function openControlSocket(config: Config): ControlSocket | null {
  const path = controlSocketPath(config);
  if (path === null) return null;
  const folder =
    config.control === null && config.file !== null
      ? controlPath(config.file, ownPlace()).privateFolder
      : null;
  if (folder !== null) makePrivate(folder);
  const { fd, file } = listenUnix({ path, mode: MODE, backlog: BACKLOG });
  return { fd, file };
}

/** In a folder for the files of all users, another user may have made ours before. */
function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  // A link would lead to a folder of this user's that is meant for something else.
  const status = lstatSync(folder);
  const { uid, mode } = status;
  if (!status.isDirectory() || uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new Error(`${folder} is not this user's alone; name another place with --control`);
  }
}

function ownPlace(): { uid: number; environment: NodeJS.ProcessEnv } {
  return { uid: process.getuid?.() ?? 0, environment: process.env };
}

export class ControlServer {
  readonly socket: ControlSocket;
  readonly #listener: ControlListener;
  readonly #handle: HandleRequest;
  readonly #log: Logger;
  readonly #channels = new Set<ControlChannel<ControlReply>>();

  constructor(socket: ControlSocket, handle: HandleRequest, log: Logger) {
    this.socket = socket;
    this.#handle = handle;
    this.#log = log;
    this.#listener = acceptControlChannels<unknown, ControlReply>(
      socket.fd,
      REQUEST_BYTES_MAX,
      (channel) => this.#onCaller(channel),
    );
  }

  /** Accepts no caller any more and removes the file. Callers that wait keep their connection. */
  close(): void {
    unlinkSocket(this.socket.file);
    this.#listener.stop();
  }

  /** The end: the connections of all callers are closed. */
  shutDown(): void {
    this.close();
    for (const channel of [...this.#channels]) channel.close();
  }

  async #serve(request: ControlRequest, caller: Caller): Promise<void> {
    try {
      await this.#handle(request, caller);
    } catch (error) {
      const { message, stack = message } = error instanceof Error ? error : new Error(`${error}`);
      this.#log.error("a command failed", { command: request.verb, error: stack });
      const problem = `the proxy could not do that because of a fault of its own, which its log shows: ${message}`;
      caller.result({ ok: false, problems: [problem] });
    }
  }

  #onCaller(channel: ControlChannel<ControlReply>): ControlEvents<unknown> {
    let hasAsked = false;
    const timer = setTimeout(() => channel.close(), CALLER_TIMEOUT_MS);
    this.#channels.add(channel);
    if (this.#channels.size > CALLERS_MAX) {
      channel.send({ result: { ok: false, problems: ["too many commands at a time"] } });
      queueMicrotask(() => channel.close());
    }
    return {
      onMessage: (message: unknown) => {
        // One request on each connection: what follows is not read.
        if (hasAsked) return;
        hasAsked = true;
        clearTimeout(timer);
        const caller = callerOn(channel);
        const request = readRequest(message);
        if (request === null) caller.result({ ok: false, problems: ["that is no request"] });
        else void this.#serve(request, caller);
      },
      onClose: () => {
        clearTimeout(timer);
        this.#channels.delete(channel);
      },
    };
  }
}

/** Does what is asked. What it throws is a fault of the proxy's, which the caller is told of like of any failure. */
export type HandleRequest = (request: ControlRequest, caller: Caller) => void | Promise<void>;

/** A caller behind a channel, be it accepted here or by the program before this one. */
export function callerOn(channel: ControlChannel<ControlReply>): Caller {
  return {
    uid: peerUser(channel.fd),
    progress: (text) => channel.send({ progress: text }),
    result(result) {
      channel.send({ result });
      // It closes when it has read this.
      setTimeout(() => channel.close(), CALLER_TIMEOUT_MS).unref();
    },
    snapshot: () => channel.snapshot(),
  };
}
