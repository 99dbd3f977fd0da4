/** Libraries of functions, as they were loaded through the proxy. All are loaded together: they are few. */
import { FUNCTIONS_BYTES_MAX } from "../../../../base/limits.ts";
import type { Decoded } from "../../codec/decode.ts";
import { Loadable, type LoadHost } from "./loadable.ts";

/** Texts of one character per byte. */
export interface Library {
  readonly name: string;
  readonly code: string;
  readonly functions: readonly string[];
}

export class FunctionStore {
  /** All of them; null: there is none. */
  all: Loadable | null = null;
  private readonly host: LoadHost;
  /** By name; the one loaded first first. */
  private readonly libraries: Map<string, Library> = new Map();
  /** Which library has a function; its name in lower case, as servers find them in any. */
  private byFunction: Map<string, string> = new Map();

  constructor(host: LoadHost) {
    this.host = host;
  }

  get list(): readonly Library[] {
    return [...this.libraries.values()];
  }

  /** The library that has the function called `name`, in any case. */
  libraryOf(name: string): string | null {
    return this.byFunction.get(name.toLowerCase()) ?? null;
  }

  /** Keeps a library in place of an older one. Too many: the one that was loaded first is forgotten. */
  add(library: Library): void {
    this.libraries.delete(library.name);
    this.libraries.set(library.name, library);
    let bytes = this.list.reduce((sum, { code }) => sum + code.length, 0);
    for (const [name, { code }] of this.libraries) {
      if (bytes <= FUNCTIONS_BYTES_MAX) break;
      bytes -= code.length;
      this.libraries.delete(name);
    }
    this.changed();
  }

  delete(name: string): void {
    const before = this.all;
    if (!this.libraries.delete(name)) return;
    this.changed();
    if (before !== null) this.all?.markAs(before);
  }

  clear(): void {
    this.libraries.clear();
    this.changed();
  }

  private changed(): void {
    const { list } = this;
    this.byFunction = new Map(
      list.flatMap(({ name, functions }) =>
        functions.map((called) => [called.toLowerCase(), name] as const),
      ),
    );
    // Not REPLACE: a library that a server has may be a newer one.
    const requests = list.map(({ code }) =>
      Buffer.from(`*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$${code.length}\r\n${code}\r\n`, "latin1"),
    );
    this.all =
      list.length === 0 ? null : new Loadable(Buffer.concat(requests), list.length, this.host);
  }
}

/** The libraries that a FUNCTION LIST WITHCODE reply tells of. */
export function librariesFrom(reply: Decoded): Library[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((entry: Decoded) => {
    const functions = field(entry, "functions");
    return {
      name: textOf(field(entry, "library_name")),
      code: textOf(field(entry, "library_code")),
      functions: Array.isArray(functions)
        ? functions.map((found: Decoded) => textOf(field(found, "name")))
        : [],
    };
  });
}

/** The value of `name` in a map. */
function field(map: Decoded, name: string): Decoded {
  if (!Array.isArray(map)) return null;
  const at = map.findIndex((key, index) => index % 2 === 0 && textOf(key) === name);
  return at < 0 ? null : (map[at + 1] ?? null);
}

function textOf(value: Decoded): string {
  return Buffer.isBuffer(value) ? value.toString("latin1") : "";
}
