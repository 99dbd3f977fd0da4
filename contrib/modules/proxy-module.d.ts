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
    /** Names of the pool's servers. */
    readonly servers: readonly string[];
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
    /** Answers with one whole reply, as the protocol has it on the wire. Text is sent as UTF-8. @throws TypeError: it is less or more */
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

  // Protocols whose requests go on to servers.

  /** Of a text each character is one byte, as in what `text` and `word` give. */
  export type Bytes = string | Uint8Array;

  /** One request or one reply. Valid during the call, unless `client.ask` gave it; what is kept of it must be copied. */
  export interface Message {
    /** All of it, as it was received; borrowed. */
    readonly bytes: Uint8Array;
    /** Its first line without CR and LF, one character for each byte. */
    readonly text: string;
    /** Word `i` of that line, which spaces separate; "" where there is none. */
    word(i: number): string;
    /** Words in that line. */
    readonly count: number;
    /** What follows the first line; borrowed. */
    readonly body: Uint8Array;
    /** The same as text, one character for each byte. */
    readonly bodyText: string;
  }

  /**
   * Where the message ends that begins at `start`: > `start`; 0: it is not complete in bytes[start, end); -1: this is no message of the
   * protocol, and the connection is to end. It is asked again, from the same start, when more has come, and must keep nothing.
   */
  export type Scanner = (bytes: Uint8Array, start: number, end: number) => number;
  /**
   * Messages that are a line, and maybe a body of known length behind it. With CR LF at the end of lines, a CR or LF elsewhere in one is no
   * message: servers would not agree on where the line ends.
   */
  export function lines(settings?: {
    /** So many bytes follow the line. Absent: none. */
    readonly body?: (line: Message) => number;
    /** A longer line is no message. Default: 65536. */
    readonly max?: number;
    /** What ends a line. Default: "\r\n". */
    readonly end?: "\r\n" | "\n";
  }): Scanner;

  export interface Server {
    readonly name: string;
    /** Its place among the pool's servers, from 0: sorted by name, shorter names first. */
    readonly index: number;
    /**
     * Between 0 and 1,048,575, made of its name: stays the same when servers come and go, for what clients get from it and bring back. No
     * other server of the pool has the same.
     */
    readonly number: number;
    /** False: it is known to be down. */
    readonly isUp: boolean;
  }
  export interface Reply extends Message {
    readonly server: Server;
  }
  /** Thrown by `client.ask` and `client.open`; its message says why a server did not answer. */
  export class ServerError extends Error {}

  /** A connection to a server that one client has for itself. It moves with its client, and closes when that is gone. */
  export interface OwnConnection {
    /** Of this client's own connections no other has it; the same after a move. */
    readonly id: number;
    readonly server: Server;
    close(): void;
  }

  /** What becomes of a request: what a method of it gave. */
  export interface Verb {
    readonly verb: string;
  }
  /** An answer that comes when one of several connections has something to say: what `client.block` gave. */
  export interface Block {
    readonly block: readonly OwnConnection[];
  }

  export interface ProxiedRequest extends Message {
    /** Passes it on as it is. The server must take it for exactly one request, whose reply the client gets. Null: no server is left. */
    forward(server: Server | null): Verb;
    /** The same over a connection that no other client uses meanwhile: its reply may take as long as it likes. */
    forwardBlocking(server: Server | null): Verb;
    /** Sends `requests`, each with one reply, to a server in one piece. The client gets what `convert` makes of the last reply. */
    ask(server: Server | null, requests: readonly Bytes[], convert: (reply: Reply) => Bytes): Verb;
    /** Sends `requests` to all servers. `merge` gets the last reply of each that answers, and why the others do not. */
    askAll(
      requests: readonly Bytes[],
      merge: (replies: readonly Reply[], failures: readonly string[]) => Bytes,
    ): Verb;
    /** Answers with one reply, as the protocol has it on the wire. */
    answer(reply: Bytes): Verb;
    /** Answers with what `failure` makes of `text`. */
    fail(text: string): Verb;
    /** Takes no more requests, and closes when all is written. @param reply none, when it is absent */
    end(reply?: Bytes): Verb;
    /**
     * For what takes several steps: `steps` is called when all earlier requests are answered, and the next one is taken when this is.
     * The client gets what it resolves to. What `client.ask` throws may pass through it: the client is told by `failure`.
     */
    alone(steps: () => Promise<Bytes | Block>): Verb;
  }

  export interface Client<State> {
    readonly peer: string;
    /** The module's own, plain JSON data: it moves with the client. */
    readonly state: State;
    /** In the order of the file. */
    readonly servers: readonly Server[];
    /** The server that a key has by the pool's `distribution`; null: none is left. */
    serverOf(key: Bytes): Server | null;
    /** A server that is up, the same one as long as it is; null: none is left. */
    anyServer(): Server | null;
    /** A server that is up, another one each time; null: none is left. */
    nextServer(): Server | null;
    /**
     * In `alone` only: sends requests in one piece. A connection of the client's own that does not answer is closed.
     * @returns the last reply, a copy. @throws ServerError
     */
    ask(to: Server | OwnConnection, requests: readonly Bytes[]): Promise<Reply>;
    /** In `alone` only: a new connection of the client's own, which begins with `requests`. @throws ServerError: there is none */
    open(server: Server, requests?: readonly Bytes[]): Promise<OwnConnection>;
    /** Those that stand. */
    readonly owns: readonly OwnConnection[];
    /** To be returned from `alone`: sends `request` over each of `owns`, and waits as long as it takes for the first reply. */
    block(owns: readonly OwnConnection[], request: Bytes): Block;
  }

  /** How a block ended. All of its connections but `own` are closed: what they were about to say is not lost to the server. */
  export interface Unblocked {
    /** The first reply; null: a connection was lost. */
    readonly reply: Reply | null;
    /** The connection that it came over. */
    readonly own: OwnConnection | null;
    /** Why there is no reply. */
    readonly failure: string;
  }

  export interface ProxiedDefinition<Rows extends OptionRows, State> {
    readonly api: 1;
    /** As `protocol:` in a pool names it. */
    readonly name: string;
    readonly options?: Rows;
    readonly requestScanner: Scanner;
    readonly replyScanner: Scanner;
    /** Requests that begin a connection to a server, each with one reply. */
    handshake?(context: ModuleContext<Rows>): readonly Bytes[];
    /** What is wrong with a reply to one of those, or to `probe`, for humans; null: nothing. */
    handshakeFault?(reply: Message): string | null;
    /** A harmless request: a server that was lost must answer it before it gets requests again. */
    readonly probe: Bytes;
    /** The reply to a request that met this failure, or to one that the module failed for. */
    failure(text: string): Bytes;
    /** Once in each worker and pool. If it throws, a reload is refused. Must be synchronous. */
    start?(context: ModuleContext<Rows>): void;
    /** What is known of a new client. Of one that comes from another process, what was saved is put over it. */
    state?(): State;
    /** What names a request's server; null: any will do. Instead of `request`. */
    key?(request: Message): Bytes | null;
    /** For each request, in their order, synchronous. Instead of `key`. */
    request?(request: ProxiedRequest, client: Client<State>, context: ModuleContext<Rows>): Verb;
    /** A block has ended. Absent: its reply, or its failure, is passed on, and its connection is closed. */
    unblocked?(
      end: Unblocked,
      client: Client<State>,
      context: ModuleContext<Rows>,
    ): Bytes | Promise<Bytes | Block>;
  }
  export function defineProtocol<
    const Rows extends OptionRows = Record<string, never>,
    State = Record<string, never>,
  >(definition: ProxiedDefinition<Rows, State>): Protocol;
}

declare module "proxy/module/test" {
  import type { Filter, Protocol } from "proxy/module";

  export interface Settings {
    /** Of the pool that a filter is in. Default: redis. */
    readonly protocol?: "redis" | "memcache";
    /** Protocols with servers: so many, with the names s1, s2 …. Default: 1. */
    readonly servers?: number;
    /** What a server says to each request of `handshake`. */
    readonly greetings?: readonly string[];
    /** As a configuration would have them, by name. */
    readonly options?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  }
  /** What happens, and what must be seen then. Nothing else may be seen. */
  export interface Step {
    /** Bytes that the client sends. */
    readonly client?: string;
    /** Bytes that go on to servers; where there are several, by name. */
    readonly serverSees?: string | Readonly<Record<string, string>>;
    /** A reply for each request that waits, in their order; where there are several servers, by name. */
    readonly serverSays?: readonly string[] | Readonly<Record<string, readonly string[]>>;
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
