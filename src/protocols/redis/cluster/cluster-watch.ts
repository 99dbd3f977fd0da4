/**
 * Keeps a ClusterTopology up to date: asks nodes how their cluster is.
 *
 * One node, chosen by chance, is asked now and then, and soon after something was odd. What it says that is news is believed when
 * most of three nodes say so: one that is cut off from the others may be behind. The workers of a host take turns: who asks tells the others,
 * and what it has found. While a primary is lost, the worker that asked last also asks its replicas what they are, and asks the nodes at
 * once when one of them has become a primary.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import { FIRST_KIND, type Link, type ReplySink, type Upstream } from "../../../api/upstream.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import { CLUSTER_LOOK_IDLE_MS, CLUSTER_LOOK_MS, CLUSTER_NEWS_MS } from "../../../base/limits.ts";
import { decodeReply, ReplyError } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { type RedirectLink, tellsOfServer } from "../redirect/redirect-link.ts";
import type { ClusterTopology } from "./cluster-topology.ts";
import { HeirWatch } from "./heir-watch.ts";
import { coverageOf, keyOfView, readSlotView, type SlotView } from "./slot-view.ts";

const QUESTION: Buffer = encodeRequest("CLUSTER", "SLOTS");
const TOPIC = "cluster";
const KEY = "view";
/** Workers that want to ask at the same time do so one after the other, and only the first one has to. */
const JITTER_MS = 100;
/** A node that has not answered for so long is not waited for. */
const PATIENCE_MS = 1_000;
/** So many nodes are asked about news. */
const WITNESSES = 3;
const NEWS = "asking";
const DISAGREEMENT = "the nodes do not agree";

export class ClusterWatch {
  /** Told when the first view is there. */
  onKnown: () => void = () => {};
  private readonly host: PoolHost;
  private readonly topology: ClusterTopology;
  private readonly looking: Deadline;
  private readonly waiting: Deadline;
  /** When a worker of this host asked last. */
  private askedMs = Number.NEGATIVE_INFINITY;
  private isWanted = false;
  /** A replica has become a primary since nodes were asked last. */
  private hasNews = false;
  /** The round that is under way; null: none. */
  private round: Round | null = null;
  private readonly heirs: HeirWatch;

  constructor(host: PoolHost, topology: ClusterTopology, password: string | null) {
    this.host = host;
    this.topology = topology;
    this.heirs = new HeirWatch(
      host,
      topology,
      password,
      () => this.lost,
      () => this.onNews(),
    );
    this.looking = host.deadlines.create(() => this.look());
    this.waiting = host.deadlines.create(() => this.round?.giveUp());
    host.bus.subscribe(TOPIC, (data) => this.onTold(data));
    host.bus.whenLost(() => {
      if (topology.view !== null) this.tell(topology.view);
    });
    // The servers are made after this.
    this.looking.set(host.turn.nowMs);
  }

  /** Something is odd: asks as soon as that may be. Costs nothing while it is about to. */
  want(): void {
    if (this.isWanted) return;
    this.isWanted = true;
    const { turn } = this.host;
    const dueMs = Math.max(turn.nowMs, this.askedMs + CLUSTER_LOOK_MS);
    this.looking.setNoLater(dueMs + this.host.random() * JITTER_MS);
  }

  private onNews(): void {
    this.hasNews = true;
    this.looking.setNoLater(Math.max(this.host.turn.nowMs, this.askedMs + CLUSTER_NEWS_MS));
  }

  /** The names of the servers that are not to be reached. */
  private get lost(): readonly string[] {
    return this.host.route.upstreams
      .filter((upstream) => tellsOfServer(wayTo(upstream).refusal))
      .map(({ name }) => name);
  }

  private look(): void {
    const { host } = this;
    const { nowMs } = host.turn;
    if (this.round !== null) return;
    const restMs = this.hasNews ? CLUSTER_NEWS_MS : CLUSTER_LOOK_MS;
    if (nowMs < this.askedMs + restMs) {
      // Another worker was first.
      this.looking.set(this.askedMs + CLUSTER_LOOK_MS + host.random() * JITTER_MS);
      return;
    }
    this.isWanted = false;
    this.hasNews = false;
    this.askedMs = nowMs;
    host.bus.broadcast(TOPIC, NEWS);
    this.heirs.start();
    this.round = new Round(this.candidates, this.topology.view, (view, fault) =>
      this.conclude(view, fault),
    );
    this.waiting.set(nowMs + PATIENCE_MS);
    this.round.ask();
  }

  /** In an order of chance. */
  private get candidates(): Upstream[] {
    const { host } = this;
    const left = host.route.upstreams.filter((upstream) => wayTo(upstream).refusal === null);
    const order: Upstream[] = [];
    while (left.length > 0) {
      order.push(...left.splice(Math.floor(host.random() * left.length), 1));
    }
    return order;
  }

  /** @param view null: no node has told anything, `fault` says why */
  private conclude(view: SlotView | null, fault: string): void {
    this.round = null;
    this.waiting.cancel();
    const { host, topology } = this;
    const { nowMs } = host.turn;
    if (view === null) {
      this.warn(fault);
      if (fault !== DISAGREEMENT) topology.widen();
      this.want();
      if (this.hasNews) this.onNews();
      return;
    }
    this.isWanted = false;
    this.looking.set(nowMs + CLUSTER_LOOK_IDLE_MS * (1 + host.random()) * 0.5);
    if (this.hasNews) this.onNews();
    this.apply(view);
    this.tell(view);
  }

  private tell(view: SlotView): void {
    this.host.bus.retain(TOPIC, KEY, view);
  }

  private onTold(data: unknown): void {
    const { turn } = this.host;
    if (data === NEWS) {
      this.askedMs = turn.nowMs;
      this.heirs.stop();
    } else if (data !== null) {
      // What it was to be asked for is known now.
      this.isWanted = false;
      this.hasNews = false;
      this.looking.set(turn.nowMs + CLUSTER_LOOK_IDLE_MS);
      this.apply(data as SlotView);
    }
  }

  private apply(view: SlotView): void {
    const { host, topology } = this;
    const wasKnown = topology.isKnown;
    const isNews = topology.apply(view);
    if (!wasKnown) this.onKnown();
    if (!isNews) return;
    host.log.info("the cluster has changed", {
      primaries: topology.members.length,
      slots: coverageOf(view),
    });
  }

  private warn(fault: string): void {
    const { log, logLimit, config, turn } = this.host;
    const leftOut = logLimit.admit(`cluster ${config.name}`, turn.nowMs);
    if (leftOut === null) return;
    log.warn("no node of the cluster tells which slots it has", {
      event: "no_node_answers",
      reason: fault,
      ...(leftOut > 0 ? { left_out: leftOut } : {}),
    });
  }

  close(): void {
    this.looking.cancel();
    this.waiting.cancel();
    this.heirs.stop();
    this.round = null;
  }
}

/** Nodes are asked, one after the other: one, and others if what it says is news. */
class Round {
  private readonly known: string | null;
  private readonly candidates: Upstream[];
  private readonly done: (view: SlotView | null, fault: string) => void;
  private readonly views: SlotView[] = [];
  private fault = "no node is to be reached";
  private isOver = false;

  /** @param candidates in the order in which they are asked */
  constructor(
    candidates: Upstream[],
    known: SlotView | null,
    done: (view: SlotView | null, fault: string) => void,
  ) {
    this.candidates = candidates;
    this.known = known === null ? null : keyOfView(known);
    this.done = done;
  }

  ask(): void {
    const upstream = this.candidates.shift();
    if (this.isOver) return;
    if (upstream === undefined) {
      this.giveUp();
      return;
    }
    const link = wayTo(upstream);
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start) => {
        const reply = decodeReply(bytes, start);
        const view = readSlotView(reply, upstream.name);
        if (reply instanceof ReplyError) this.fault = `${upstream.name}: ${reply.text}`;
        this.take(view);
      },
      onFailure: (_token, _count, failure) => {
        this.fault = failure.text;
        this.ask();
      },
    };
    if (link.refusal === null) link.send(QUESTION, 0, QUESTION.length, sink, 0, 1);
    else this.ask();
  }

  private take(view: SlotView | null): void {
    if (view !== null && coverageOf(view) > 0) this.views.push(view);
    const { length } = this.views;
    const isKnown = length === 1 && keyOfView(this.views[0]!) === this.known;
    // The first view at all is believed.
    if (
      isKnown ||
      (length > 0 && this.known === null) ||
      this.agreed !== null ||
      length >= WITNESSES
    )
      this.giveUp();
    else this.ask();
  }

  /** What two nodes say. */
  private get agreed(): SlotView | null {
    const keys = this.views.map(keyOfView);
    return this.views.find((_, i) => keys.indexOf(keys[i]!) < i) ?? null;
  }

  /** Nothing more is waited for. */
  giveUp(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { views } = this;
    if (views.length <= 1) this.done(views[0] ?? null, this.fault);
    else this.done(this.agreed, DISAGREEMENT);
  }
}

/** The question is to fail when the node is lost, and not to wait for its successor. */
function wayTo(upstream: Upstream): Link {
  return (upstream.connection(0, FIRST_KIND) as RedirectLink).inner;
}
