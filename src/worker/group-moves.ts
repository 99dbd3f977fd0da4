/** Which of the clients that leave move together, and when all of a group are ready. */
import type { Session } from "../client/session.ts";
import type { PoolGroup } from "./pool-group.ts";

export class GroupMoves {
  /** Of groups that have not begun: what the session moves with. */
  private readonly moves: Map<Session, PoolGroup> = new Map();
  /** Groups that have not begun: how many of their members were not ready so far. */
  private readonly unready: Map<PoolGroup, number> = new Map();
  /** The groups that sessions belong to, for their packets. */
  private readonly names: Map<Session, string> = new Map();

  constructor(moves: readonly PoolGroup[]) {
    for (const move of moves) {
      this.unready.set(move, move.members.size);
      for (const session of move.members) {
        this.moves.set(session, move);
        this.names.set(session, move.id);
      }
    }
  }

  /** Groups that have not begun. */
  get left(): readonly PoolGroup[] {
    return [...this.unready.keys()];
  }

  nameOf(session: Session): string | undefined {
    return this.names.get(session);
  }

  /** The group that `session` waits for, if it has not begun. */
  moveOf(session: Session): PoolGroup | undefined {
    return this.moves.get(session);
  }

  /** What the others of its group share is about to be sent, or was. */
  hasBegun(session: Session): boolean {
    return this.names.has(session) && !this.moves.has(session);
  }

  /** To be called once for each member: it was ready, or it will not move. */
  onReady(session: Session): void {
    const move = this.moves.get(session);
    const unready = move === undefined ? undefined : this.unready.get(move);
    if (move !== undefined && unready !== undefined) this.unready.set(move, unready - 1);
  }

  /** It goes alone, or not at all; the others do not wait for it. */
  remove(session: Session): void {
    this.moves.get(session)?.members.delete(session);
    this.moves.delete(session);
  }

  /** All members at once are ready, and from now on each that is not sent with the others goes alone. */
  tryBegin(move: PoolGroup): boolean {
    const { members } = move;
    // Looking at all of them is worth while only when each was ready once.
    const unready = this.unready.get(move);
    if (unready === undefined || unready > 0) return false;
    if (members.size > 0 && !move.isReady) return false;
    this.unready.delete(move);
    for (const session of members) this.moves.delete(session);
    return members.size > 0;
  }

  /** Does not wait for members that are not ready. @returns them; they belong to no group any more */
  leaveBehind(move: PoolGroup): readonly Session[] {
    const late = move.leaveBehind();
    for (const session of late) this.moves.delete(session);
    this.unready.set(move, 0);
    return late;
  }
}
