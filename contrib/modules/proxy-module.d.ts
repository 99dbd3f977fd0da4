// What a module of `proxy` may import. Written by `proxy module init`; docs/modules.md explains it.

declare module "proxy/module" {
  // Options. Each row is checked by `proxy check` as the proxy's own options are.

  export interface OptionRow<Value> {
    readonly kind: string;
    /** Never there: carries the value's type. */
    readonly value?: Value;
  }
  interface RowSettings {
    /** One line for readers. */
    readonly help?: string;
    /** Its value is never shown. */
    readonly secret?: boolean;
  }
  interface Preset<Value> extends RowSettings {
    readonly default: Value;
  }
  interface Required extends RowSettings {
    readonly required: true;
  }
  interface Range {
    readonly min?: number;
    readonly max?: number;
  }

  export function text(settings: Preset<string> | Required): OptionRow<string>;
  export function text(settings?: RowSettings): OptionRow<string | null>;
  /** `list(text)`: a list of texts; absent: an empty one. */
  export function list(
    of: typeof text,
    settings?: RowSettings | Required,
  ): OptionRow<readonly string[]>;
  export function integer(settings: (Preset<number> | Required) & Range): OptionRow<number>;
  export function integer(settings?: RowSettings & Range): OptionRow<number | null>;
  /** In milliseconds; written as `400ms`, `2s`, `1m`. */
  export function duration(settings: Preset<number> | Required): OptionRow<number>;
  export function duration(settings?: RowSettings): OptionRow<number | null>;
  /** Default: false. */
  export function boolean(
    settings?: RowSettings & { readonly default?: boolean },
  ): OptionRow<boolean>;
  export function choice<const Name extends string>(
    names: readonly Name[],
    settings: { readonly default: Name; readonly help?: string },
  ): OptionRow<Name>;

  export type OptionRows = Readonly<Record<string, OptionRow<unknown>>>;
  export type OptionValues<Rows extends OptionRows> = {
    readonly [Name in keyof Rows]: Rows[Name] extends OptionRow<infer Value> ? Value : never;
  };

  // What every module gets.

  export interface Counter {
    add(by: number): void;
  }

  /** Writes lines of text to a file or a TCP peer, never waits, and drops lines when too many are unwritten. */
  export interface LineWriter {
    /** @returns false: the line was dropped */
    write(line: string): boolean;
    readonly dropped: number;
  }

  export interface ModuleContext<Rows extends OptionRows> {
    readonly options: OptionValues<Rows>;
    /** Name of the pool. */
    readonly pool: string;
    readonly log: {
      info(message: string): void;
      warn(message: string): void;
      error(message: string): void;
    };
    /** Counted over all workers, and shown in the statistics. */
    counter(name: string, help: string): Counter;
    /** Calls back once, after `ms`. @returns cancels it */
    timer(ms: number, callback: () => void): () => void;
    /** Milliseconds on a clock that never goes back. */
    now(): number;
    /** @param target path of a file, which is appended to, or tcp://host:port */
    lines(target: string): LineWriter;
  }

  // Filters: between the clients and the servers of a pool.

  /** What a filter may say to a request; nothing: it goes on. */
  export interface Verdict {
    readonly reply: Uint8Array;
  }

  /** One request. Valid during the call; what is kept of it must be copied. */
  export interface Request {
    /** As in configurations: "GET", "CONFIG SET"; of Memcached "get". */
    readonly command: string;
    readonly isWrite: boolean;
    readonly client: { readonly peer: string };
    /** Arguments, the command's name included. */
    readonly count: number;
    /** Borrowed. */
    arg(i: number): Uint8Array;
    /** Read as UTF-8. */
    argText(i: number): string;
    /** 0 when it is not known which arguments are keys; see `areKeysKnown`. */
    readonly keyCount: number;
    /** False for a command that the proxy does not know yet: any argument may be a key. */
    readonly areKeysKnown: boolean;
    /** Borrowed. */
    key(i: number): Uint8Array;
    /** Read as UTF-8. */
    keyText(i: number): string;
    keyStartsWith(i: number, prefix: string): boolean;
    /** The filter's own; `done` gets it. */
    note: unknown;
    /** Answers with an error: "ERR denied". Sent as UTF-8; Memcached's protocol has SERVER_ERROR in front of it. */
    fail(text: string): Verdict;
    /** Answers with the whole reply, as the protocol has it on the wire: the client waits for what is missing. Text is sent as UTF-8. */
    answer(reply: string | Uint8Array): Verdict;
  }

  /**
   * - `reply`, `error`: the client was answered
   * - `failed`: no server answered
   * - `refused`: a filter answered
   * - `closed`: the client is gone; what became of the request is not known
   * - `moved`: another process answers
   */
  export type Outcome = "reply" | "error" | "failed" | "refused" | "closed" | "moved";

  export interface End {
    readonly command: string;
    readonly note: unknown;
    readonly outcome: Outcome;
    /** Milliseconds since the request was seen. */
    readonly ms: number;
    /** The reply as it was on the wire, borrowed; empty where there is none. */
    readonly reply: Uint8Array;
  }

  export interface FilterHooks {
    /** For each request, before it is sent to a server. Filters are asked in the order of the file. Must be synchronous. */
    // biome-ignore lint/suspicious/noConfusingVoidType: a hook may return nothing
    request?(request: Request): Verdict | undefined | void;
    /** Exactly once for each request that `request` saw, in the reverse order. */
    done?(end: End): void;
    /** This worker ends: no client is left. May take a second. */
    stop?(): void | Promise<void>;
  }

  export interface FilterContext<Rows extends OptionRows> extends ModuleContext<Rows> {
    /**
     * Sends a request of the filter's own to the server of `key`, as the pool's own user. Its reply is dropped.
     * @returns false: it cannot be sent now
     */
    send(key: string | Uint8Array, request: readonly (string | Uint8Array)[]): boolean;
  }

  export interface FilterDefinition<Rows extends OptionRows> {
    readonly api: 1;
    /** As `filters:` in a pool names it: letters, digits, `-`. */
    readonly name: string;
    readonly options?: Rows;
    /** What becomes of requests while the filter is switched off because it fails: "refuse" where it guards something. Default: "pass". */
    readonly whenBroken?: "pass" | "refuse";
    /** Once in each worker and pool: what takes memory is allocated here. If it throws, a reload is refused. Must be synchronous. */
    start(context: FilterContext<Rows>): FilterHooks;
  }
  export interface Filter {
    readonly kind: "filter";
  }
  export function defineFilter<const Rows extends OptionRows = Record<string, never>>(
    definition: FilterDefinition<Rows>,
  ): Filter;

  // Protocols that the proxy itself speaks to clients.

  export interface Connection {
    readonly peer: string;
    /** What `save` gave in another process; undefined: a new client. */
    readonly saved: unknown;
    /** Queues bytes, which must not change any more. A client that does not read is cut off at a limit. */
    write(bytes: string | Uint8Array): void;
    /** Closes when all is written. */
    end(): void;
    close(): void;
  }
  export interface ConnectionHooks {
    /** Some bytes came; they never change, and may be kept. */
    bytes(chunk: Uint8Array): void;
    /** What the client's next process must know, as JSON data. */
    save?(): unknown;
    closed?(): void;
  }

  export interface ProtocolDefinition<Rows extends OptionRows> {
    readonly api: 1;
    /** As `protocol:` in a pool names it. */
    readonly name: string;
    readonly options?: Rows;
    /** Once in each worker and pool. If it throws, a reload is refused. Must be synchronous. */
    start?(context: ModuleContext<Rows>): void;
    /** For each client, and for each that comes from another process. */
    connection(connection: Connection, context: ModuleContext<Rows>): ConnectionHooks;
    /** False: what a connection is in the middle of cannot be saved: it stays in its process until it ends. Default: true. */
    readonly moves?: boolean;
  }
  export interface Protocol {
    readonly kind: "protocol";
  }
  export function defineProtocol<const Rows extends OptionRows = Record<string, never>>(
    definition: ProtocolDefinition<Rows>,
  ): Protocol;
}

declare module "proxy/module/test" {
  import type { Filter, Protocol } from "proxy/module";

  export interface Settings {
    /** Of the pool that a filter is in. Default: redis. */
    readonly protocol?: "redis" | "memcache";
    /** As a configuration would have them, by name. */
    readonly options?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  }
  /** What happens, and what must be seen then. Nothing else may be seen. */
  export interface Step {
    /** Bytes that the client sends. */
    readonly client?: string;
    /** Filters: bytes that go on to servers. */
    readonly serverSees?: string;
    /** Filters: a reply for each request that waits, in their order. */
    readonly serverSays?: readonly string[];
    readonly clientSees?: string;
  }
  export interface Cases {
    readonly kind: "cases";
  }
  /** To be the default export of a file for `proxy module test FILE`. Each case is run whole, byte by byte, and with a hand-over before each step. */
  export function cases(
    module: Filter | Protocol,
    settings: Settings,
    cases: Readonly<Record<string, readonly Step[]>>,
  ): Cases;
}
