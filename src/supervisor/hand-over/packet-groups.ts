/** Which worker the packets of a group go to: all to one. A group is forgotten when nothing of it can come any more. */

interface Group<Worker> {
  readonly target: Worker;
  readonly source: Worker;
}

/** A group's name is "" for packets that belong to none. */
export class PacketGroups<Worker> {
  readonly #groups = new Map<string, Group<Worker>>();
  /** Packets of each group in the router's hands. */
  readonly #held = new Map<string, number>();
  /** Groups of which nothing comes any more, though the router may hold some of it. */
  readonly #ending = new Set<string>();

  targetOf(group: string): Worker | undefined {
    return this.#groups.get(group)?.target;
  }

  assign(group: string, target: Worker, source: Worker): void {
    this.#groups.set(group, { target, source });
  }

  onHeld(group: string): void {
    if (group !== "") this.#held.set(group, (this.#held.get(group) ?? 0) + 1);
  }

  /** A packet of it was passed on or lost. */
  onReleased(group: string): void {
    const held = (this.#held.get(group) ?? 0) - 1;
    if (held > 0) this.#held.set(group, held);
    else this.#held.delete(group);
  }

  onSourceGone(worker: Worker): void {
    for (const [group, { source }] of this.#groups) if (source === worker) this.#ending.add(group);
  }

  end(group: string): void {
    if (group !== "") this.#ending.add(group);
  }

  forgetEnded(): void {
    for (const group of this.#ending) {
      if (this.#held.has(group)) continue;
      this.#groups.delete(group);
      this.#ending.delete(group);
    }
  }
}

const GROUP_FIELD = '{"group":"';

/** The name of the group that a packet belongs to; then that is its first field. */
export function groupOf(bytes: Buffer): string {
  if (bytes.toString("latin1", 0, GROUP_FIELD.length) !== GROUP_FIELD) return "";
  return bytes.toString("latin1", GROUP_FIELD.length, bytes.indexOf('"', GROUP_FIELD.length));
}
