/**
 * Asks the other workers who of their clients gets a message, to count subscribers as Redis would: a server sees each
 * worker's shared subscription as one client, however many it stands for.
 *
 * All that is asked in one turn of the event loop goes in one message.
 */
import type { WorkerBus } from "../../../../api/worker-bus.ts";
import { CENSUS_BYTES_MAX } from "../../../../base/limits.ts";
import type { Flushable, Turn } from "../../../../base/turn.ts";
import type { Kind } from "./kinds.ts";

/** What a message comes to: copies that servers send to shared subscriptions, and clients that get them from there. */
export interface Reach {
  readonly copies: number;
  readonly clients: number;
}

/** A message for `name` on `server`; null: the clients that are subscribed to exactly that, on any server. JSON data. */
export type CensusQuestion = readonly [kind: Kind, name: string, server: string | null];
type CensusAnswer = readonly (readonly [copies: number, clients: number])[];

const TOPIC = "subscribers";

export class Census implements Flushable {
  isMarked = false;

  private readonly turn: Turn;
  private readonly bus: WorkerBus;
  private waiting: {
    readonly question: CensusQuestion;
    readonly onDone: (reach: Reach) => void;
  }[] = [];

  /** @param count what there is of it in this worker */
  constructor(turn: Turn, bus: WorkerBus, count: (question: CensusQuestion) => Reach) {
    this.turn = turn;
    this.bus = bus;
    bus.answer(TOPIC, (data) => {
      const reaches = (data as readonly CensusQuestion[]).map(count);
      return reaches.map(({ copies, clients }): CensusAnswer[number] => [copies, clients]);
    });
  }

  /** Calls back with the sum over all other workers, as far as they answer. Later. */
  ask(question: CensusQuestion, onDone: (reach: Reach) => void): void {
    this.waiting.push({ question, onDone });
    this.turn.mark(this);
  }

  flush(): void {
    const { waiting } = this;
    this.waiting = [];
    while (waiting.length > 0) {
      let bytes = 0;
      const fitting = waiting.findIndex(({ question: [, name] }) => {
        bytes += name.length;
        return bytes > CENSUS_BYTES_MAX;
      });
      const asked = waiting.splice(0, fitting < 0 ? waiting.length : Math.max(fitting, 1));
      const questions = asked.map(({ question }) => question);
      // A name that is too long for one message is not asked about.
      if (questions[0]![1].length > CENSUS_BYTES_MAX) asked[0]!.onDone(NO_CLIENTS);
      else
        this.bus.query(TOPIC, questions, (answers) => {
          for (const [at, { onDone }] of asked.entries())
            onDone(sumOf(answers as CensusAnswer[], at));
        });
    }
  }
}

const NO_CLIENTS: Reach = { copies: 0, clients: 0 };

function sumOf(answers: readonly CensusAnswer[], at: number): Reach {
  let copies = 0;
  let clients = 0;
  for (const answer of answers) {
    copies += answer[at]?.[0] ?? 0;
    clients += answer[at]?.[1] ?? 0;
  }
  return { copies, clients };
}
