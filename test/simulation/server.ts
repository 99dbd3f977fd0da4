/** A server of the simulation: what it does right is its protocol's, and what it does wrong is here. */
import type { Host, Network, Reach } from "./network.ts";
import type { Socket, Way } from "./socket.ts";
import type { World } from "./world.ts";

/** How likely it does what with a reply. */
export interface Misdeeds {
  loses: number;
  doubles: number;
  /** It says something that answers nothing. */
  interrupts: number;
  /** It sends what is no reply. */
  babbles: number;
  /** It sends a part, and hangs up. */
  breaksOff: number;
  /** It answers a request for another key, or of another number. */
  confuses: number;
}

export const WELL_BEHAVED: Misdeeds = {
  ...{ loses: 0, doubles: 0, interrupts: 0, babbles: 0, breaksOff: 0, confuses: 0 },
};

/** One connection, as the protocol of its server reads it. */
export interface Speaker {
  /** @returns replies to what is complete, one text each, in order */
  hear(text: string): Iterable<string>;
  /** Something that answers nothing. */
  readonly interruption: string;
  /** It may be taken for a reply. */
  readonly isMistakable: boolean;
  /** `reply`, as it would be to another request; null: nothing tells it from the right one. */
  confused(reply: string): string | null;
  onClosed(): void;
}

export interface SpeakerHost {
  /** Sends what no request has just asked for. */
  send(text: string): void;
}

export class Server implements Host {
  readonly name: string;
  readonly port: number;
  readonly way: Way;
  reach: Reach = "open";
  misdeeds: Misdeeds = WELL_BEHAVED;
  /** It accepts and receives, and does nothing until then. */
  hangsUntilMs = 0;
  slowMs = 0;
  /** When something was wrong with it last. */
  troubleMs: number = Number.NEGATIVE_INFINITY;
  /** When it has answered something else than was asked last. */
  lieMs: number = Number.NEGATIVE_INFINITY;
  readonly connections: Set<ServerConnection> = new Set();
  readonly world: World;
  private readonly createSpeaker: (host: SpeakerHost) => Speaker;

  constructor(
    {
      world,
      network,
      name,
      port,
      way,
    }: { world: World; network: Network; name: string; port: number; way: Way },
    createSpeaker: (host: SpeakerHost) => Speaker,
  ) {
    this.world = world;
    this.name = name;
    this.port = port;
    this.way = way;
    this.createSpeaker = createSpeaker;
    network.add(port, this);
  }

  onConnection(socket: Socket): void {
    this.connections.add(new ServerConnection(this, socket, this.createSpeaker));
  }

  trouble(): void {
    this.troubleMs = this.world.nowMs;
  }

  hang(forMs: number): void {
    this.hangsUntilMs = Math.max(this.hangsUntilMs, this.world.nowMs + forMs);
    this.troubleMs = Math.max(this.troubleMs, this.hangsUntilMs);
  }

  /** All connections are lost. */
  cut(isReset: boolean): void {
    this.trouble();
    for (const connection of [...this.connections]) connection.end(isReset);
  }
}

export class ServerConnection implements SpeakerHost {
  readonly server: Server;
  readonly socket: Socket;
  private readonly speaker: Speaker;
  private out = "";
  private isPumpDue = false;
  private isOver = false;
  private endsWhenSent = false;

  constructor(server: Server, socket: Socket, createSpeaker: (host: SpeakerHost) => Speaker) {
    this.server = server;
    this.socket = socket;
    this.speaker = createSpeaker(this);
    socket.user = {
      onReadable: () => this.pumpSoon(),
      onWritable: () => this.flush(),
    };
  }

  private pumpSoon(): void {
    if (this.isPumpDue || this.isOver) return;
    this.isPumpDue = true;
    const { world, slowMs, hangsUntilMs } = this.server;
    const delayMs = Math.max(world.random.next() * slowMs, hangsUntilMs - world.nowMs);
    world.after(delayMs, () => {
      this.isPumpDue = false;
      if (this.server.hangsUntilMs > world.nowMs) this.pumpSoon();
      else this.pump();
    });
  }

  private pump(): void {
    if (this.isOver) return;
    const { socket, server } = this;
    if (socket.isReset) {
      this.end(true);
      return;
    }
    if (socket.readable > 0) {
      // Of what waits it deals with a part now, and with the rest later.
      const most = server.world.random.chance(0.2) ? 32 : 64 * 1024;
      const text = socket.read(most).toString("latin1");
      for (const reply of this.speaker.hear(text)) {
        if (!this.answer(reply)) return;
      }
      if (socket.readable > 0 || socket.hasEnd) this.pumpSoon();
    } else if (socket.hasEnd) this.end(false);
  }

  /** @returns false: it is over */
  private answer(reply: string): boolean {
    const { server, speaker } = this;
    const { world, misdeeds } = server;
    if (misdeeds === WELL_BEHAVED) {
      this.send(reply);
      return true;
    }
    const { random } = world;
    const lies = (): void => {
      server.trouble();
      server.lieMs = world.nowMs;
    };
    if (random.chance(misdeeds.loses)) {
      lies();
      world.note("loses", this.socket.id);
      return true;
    }
    if (random.chance(misdeeds.doubles)) {
      lies();
      world.note("doubles", this.socket.id);
      this.send(reply + reply);
      return true;
    }
    if (random.chance(misdeeds.interrupts)) {
      if (speaker.isMistakable) lies();
      else server.trouble();
      world.note("interrupts", this.socket.id);
      this.send(speaker.interruption);
    }
    if (random.chance(misdeeds.babbles)) {
      server.trouble();
      world.note("babbles", this.socket.id);
      this.send(
        random.pick([
          "?what\r\n",
          "\0\0\0\0",
          "HTTP/1.1 400 Bad Request\r\n\r\n",
          "$12x\r\n",
          "*-7\r\n",
        ]),
      );
    }
    if (random.chance(misdeeds.breaksOff)) {
      server.trouble();
      world.note("breaks off", this.socket.id);
      this.send(reply.substring(0, random.below(reply.length)));
      this.endsWhenSent = true;
      this.flush();
      return false;
    }
    if (random.chance(misdeeds.confuses)) {
      const other = speaker.confused(reply);
      if (other !== null) {
        server.trouble();
        world.note("confuses", this.socket.id);
        this.send(other);
        return true;
      }
    }
    this.send(reply);
    return true;
  }

  send(text: string): void {
    if (this.isOver || text === "") return;
    this.out += text;
    this.flush();
  }

  private flush(): void {
    if (this.isOver) return;
    if (this.out !== "") {
      const bytes = Buffer.from(this.out, "latin1");
      const taken = this.socket.write(bytes, 0, bytes.length);
      if (taken < 0) {
        this.end(true);
        return;
      }
      this.out = this.out.substring(taken);
    }
    if (this.endsWhenSent && this.out === "") this.end(false);
  }

  end(isReset: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    this.server.connections.delete(this);
    this.speaker.onClosed();
    if (isReset) this.socket.reset();
    else this.socket.close();
  }
}
