/** All topics of one hub, by name and by number. */
import { matchesGlob } from "../../../protocol/redis/glob.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { Topic } from "./topic.ts";

export class TopicTable {
  private readonly byName: Readonly<Record<Kind, Map<string, Topic>>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  /** Numbers below `numbers` that no topic has. */
  private readonly free: number[] = [];
  private numbers = 0;

  find(kind: Kind, name: string): Topic | undefined {
    return this.byName[kind].get(name);
  }

  create(kind: Kind, name: string): Topic {
    const topic = new Topic(kind, name, this.free.pop() ?? this.numbers++);
    this.byName[kind].set(name, topic);
    return topic;
  }

  /** Its number may be given to another topic. */
  forget(topic: Topic): void {
    this.byName[topic.kind].delete(topic.name);
    this.free.push(topic.number);
    topic.number = -1;
  }

  /** What is created or forgotten meanwhile may be met or not. */
  of(kind: Kind): Iterable<Topic> {
    return this.byName[kind].values();
  }

  *all(): Generator<Topic> {
    for (const kind of KINDS) yield* this.byName[kind].values();
  }

  /** Everything that a message for `name` belongs to. */
  *reachedBy(kind: Kind, name: string): Generator<Topic> {
    const topic = this.find(kind, name);
    if (topic !== undefined) yield topic;
    if (kind !== "channel") return;
    for (const pattern of this.byName.pattern.values()) {
      if (matchesGlob(pattern.name, name)) yield pattern;
    }
  }

  /** False: no message for `name` belongs to any topic. */
  mayReach(kind: Kind, name: string): boolean {
    const { channel, shard, pattern } = this.byName;
    return kind === "shard" ? shard.has(name) : channel.has(name) || pattern.size > 0;
  }
}
