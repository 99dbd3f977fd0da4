/** What the repertoires of the client libraries share. */

/** Where a part is played. */
export interface Surroundings {
  readonly host: string;
  readonly port: number;
  /** Resolves when so many clients are blocked on the servers. */
  blocked(count: number): Promise<void>;
}

/** A part of a client's repertoire. @throws when something is not as it should be. */
export type Part = (around: Surroundings) => Promise<void>;
