/** What a route may look at to choose a server for a request. */

/** What a request may do to the data under its key. */
export const ACCESS = {
  /** It changes nothing, so a copy of the data would do. */
  read: 0,
  /** It may change something. */
  write: 1,
  /** It is about the server, not about data. */
  admin: 2,
} as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

/** The tenant of clients that belong to none. */
export const NO_TENANT = 0;

/** One request and one of its keys. A view that is reused: nothing of it may be kept. */
export interface RequestFacts {
  /** Borrowed. */
  readonly bytes: Buffer;
  /** The request is bytes[start, end), unless only its key is at hand: then it is empty. */
  readonly start: number;
  readonly end: number;
  /** The key is bytes[keyStart, keyEnd). */
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly access: Access;
  /** In upper case, with its subcommand behind a bar; "": it is not known. */
  readonly commandName: string;
  /** Whose request it is, by number. */
  readonly tenant: number;
}

const NONE: Buffer = Buffer.alloc(0);

/** Facts to be filled in, where no view of a request has them. */
export class PlainFacts implements RequestFacts {
  bytes: Buffer = NONE;
  start = 0;
  end = 0;
  keyStart = 0;
  keyEnd = 0;
  access: Access = ACCESS.read;
  commandName = "";
  readonly tenant: number = NO_TENANT;

  /** These facts, of a key without its request. */
  ofKey(key: Buffer, access: Access, commandName = ""): this {
    this.commandName = commandName;
    this.bytes = key;
    this.start = 0;
    this.end = 0;
    this.keyStart = 0;
    this.keyEnd = key.length;
    this.access = access;
    return this;
  }

  /** Pins no input any more. */
  release(): void {
    this.bytes = NONE;
  }
}
