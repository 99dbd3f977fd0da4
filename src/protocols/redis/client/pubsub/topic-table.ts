/** All topics of one shared subscription, by name and by number. */
import { matchesGlob } from "../../codec/glob.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { Topic } from "./topic.ts";

/**
 * Names are spread over so many Maps: a large one would make its table twice as large in one go, and everything would wait
 * for that. A power of two.
 */
const MAPS = 64;
/** Characters of a name that decide which one it is in, evenly taken from it. */
const CHARACTERS_MAX = 32;

type Maps = (Map<string, Topic> | undefined)[];

export class TopicTable {
  private readonly byName: Readonly<Record<Kind, Maps>> = { channel: [], pattern: [], shard: [] };
  private patterns = 0;
  /** Numbers below `numbers` that no topic has. */
  private readonly free: number[] = [];
  private numbers = 0;

  find(kind: Kind, name: string): Topic | undefined {
    return this.byName[kind][mapOf(name)]?.get(name);
  }

  create(kind: Kind, name: string): Topic {
    const topic = new Topic(kind, name, this.free.pop() ?? this.numbers++);
    const maps = this.byName[kind];
    const at = mapOf(name);
    maps[at] ??= new Map();
    maps[at].set(name, topic);
    if (kind === "pattern") this.patterns++;
    return topic;
  }

  /** Its number may be given to another topic. */
  forget(topic: Topic): void {
    this.byName[topic.kind][mapOf(topic.name)]?.delete(topic.name);
    if (topic.kind === "pattern") this.patterns--;
    this.free.push(topic.number);
    topic.number = -1;
  }

  /** What is created or forgotten meanwhile may be met or not. */
  *of(kind: Kind): Generator<Topic, void> {
    const maps = this.byName[kind];
    for (let at = 0; at < MAPS; at++) {
      const map = maps[at];
      if (map !== undefined) yield* map.values();
    }
  }

  *all(): Generator<Topic> {
    for (const kind of KINDS) yield* this.of(kind);
  }

  /** Everything that a message for `name` belongs to. */
  *reachedBy(kind: Kind, name: string): Generator<Topic> {
    const topic = this.find(kind, name);
    if (topic !== undefined) yield topic;
    if (kind !== "channel" || this.patterns === 0) return;
    for (const pattern of this.of("pattern")) {
      if (matchesGlob(pattern.name, name)) yield pattern;
    }
  }

  /** False: no message for `name` belongs to any topic. */
  mayReach(kind: Kind, name: string): boolean {
    return this.find(kind, name) !== undefined || (kind === "channel" && this.patterns > 0);
  }
}

function mapOf(name: string): number {
  const step = Math.ceil(name.length / CHARACTERS_MAX);
  let hash = name.length;
  for (let at = 0; at < name.length; at += step) hash = (hash * 31 + name.charCodeAt(at)) | 0;
  return (hash ^ (hash >>> 16)) & (MAPS - 1);
}
