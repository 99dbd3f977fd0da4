/** A client over servers that keep scripts and functions, and forget them when the test says so. */
import { createHash } from "node:crypto";
import { FakePeers } from "../../../../../support/fake-peers.ts";
import { createRig, type Rig } from "../../../../client/session-rig.ts";

export const NO_SCRIPT = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
export const NO_FUNCTION = "-ERR Function not found\r\n";

export function shaOf(body: string): string {
  return createHash("sha1").update(body).digest("hex");
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** What a server keeps: scripts by SHA, functions by the library's name (each library has one, called as it is). */
class Memory {
  readonly scripts: Set<string> = new Set();
  readonly libraries: Map<string, string> = new Map();

  answer(args: readonly string[]): string {
    const [name = "", second = "", third = ""] = args.map((arg) => arg);
    switch (`${name} ${/^(SCRIPT|FUNCTION)$/.test(name) ? second : ""}`.trim()) {
      case "SCRIPT LOAD":
        if (third.startsWith("broken")) return "-ERR Error compiling script\r\n";
        this.scripts.add(shaOf(third));
        return bulk(shaOf(third));
      case "SCRIPT EXISTS":
        return `*${args.length - 2}\r\n${args
          .filter((_, i) => i > 1)
          .map((sha) => (this.scripts.has(sha) ? ":1\r\n" : ":0\r\n"))
          .join("")}`;
      case "SCRIPT FLUSH":
        this.scripts.clear();
        return "+OK\r\n";
      case "EVAL":
        this.scripts.add(shaOf(second));
        return ":1\r\n";
      case "EVALSHA":
        if (args.includes("says so")) return NO_SCRIPT;
        return this.scripts.has(second.toLowerCase()) ? ":1\r\n" : NO_SCRIPT;
      case "FCALL":
        return this.libraries.has(second.toLowerCase()) ? ":1\r\n" : NO_FUNCTION;
      case "FUNCTION LOAD":
        return this.load(args);
      case "FUNCTION LIST":
        return this.list(args);
      case "FUNCTION DELETE":
        return this.libraries.delete(third) ? "+OK\r\n" : "-ERR Library not found\r\n";
      case "FUNCTION FLUSH":
        this.libraries.clear();
        return "+OK\r\n";
      default:
        return "+OK\r\n";
    }
  }

  private load(args: readonly string[]): string {
    const code = args.at(-1)!;
    const name = code.substring("#!lua name=".length);
    if (this.libraries.has(name) && args.length === 3) return "-ERR Library already exists\r\n";
    this.libraries.set(name, code);
    return bulk(name);
  }

  private list(args: readonly string[]): string {
    const only = args.indexOf("LIBRARYNAME");
    const found = [...this.libraries].filter(([name]) => only < 0 || args[only + 1] === name);
    const entries = found.map(([name, code]) => {
      const functions = `*1\r\n*2\r\n${bulk("name")}${bulk(name)}`;
      const head = `*6\r\n${bulk("library_name")}${bulk(name)}${bulk("functions")}`;
      return `${head}${functions}${bulk("library_code")}${bulk(code)}`;
    });
    return `*${entries.length}\r\n${entries.join("")}`;
  }
}

export interface ScriptRig extends Rig {
  readonly memories: readonly Memory[];
  /** The client asks, and everything happens that follows from it. @returns what it got */
  reply(...args: string[]): Promise<string>;
  /** What was asked of a server since the last time, as text. */
  asked(server: number): string[];
}

export function scriptRig(servers: number, peers: FakePeers = new FakePeers()): ScriptRig {
  const memories = Array.from({ length: servers }, () => new Memory());
  const { bus } = peers.add();
  const rig = createRig({
    servers,
    bus,
    answerOf: (args, server) => memories[server]!.answer(args),
  });
  bus.open();
  let seen = 0;
  const looked = memories.map(() => 0);
  return {
    ...rig,
    memories,
    async reply(...args) {
      rig.ask(...args);
      await rig.settle();
      const { output } = rig.stream;
      const fresh = output.substring(seen);
      seen = output.length;
      return fresh;
    },
    asked(server) {
      const { requests } = rig.connections[server]!;
      const from = looked[server]!;
      looked[server] = requests.length;
      return requests.filter((_, i) => i >= from).map((args) => args.join(" "));
    },
  };
}
