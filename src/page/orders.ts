/** What the reader has the proxy do: each order is said in words and confirmed before it is given, and what came of it is told. */
import { byId, setText } from "./dom.ts";
import type { Source } from "./source.ts";

export interface Order {
  /** Where it goes, and its words: see src/admin/orders.ts. */
  readonly path: string;
  readonly words: Readonly<Record<string, unknown>>;
  /** "Pause pool cache?" */
  readonly question: string;
  /** What will be, for how long, and whom it concerns. */
  readonly meaning: string;
  /** On the button: "Pause". */
  readonly verb: string;
}

/** What the proxy answers: see ControlResult. */
interface Answer {
  readonly ok: boolean;
  readonly problems?: readonly string[];
  readonly warnings?: readonly string[];
}

export class Orders {
  readonly #source: Source;
  readonly #dialog: HTMLDialogElement = byId<HTMLDialogElement>("confirm");
  readonly #fault: HTMLElement = byId("confirm-fault");
  readonly #give: HTMLButtonElement = byId<HTMLButtonElement>("confirm-give");
  #order: Order | null = null;

  constructor(source: Source) {
    this.#source = source;
    byId("confirm-cancel").addEventListener("click", () => this.#dialog.close());
    this.#give.addEventListener("click", () => void this.#onConfirmed());
    this.#dialog.addEventListener("close", () => {
      this.#order = null;
    });
  }

  /** Asks the reader whether it is to be done. */
  ask(order: Order): void {
    this.#order = order;
    setText(byId("confirm-title"), order.question);
    setText(byId("confirm-meaning"), order.meaning);
    setText(this.#give, order.verb);
    setText(this.#fault, "");
    this.#give.disabled = false;
    this.#dialog.showModal();
    // What changes something is not done by a second press of the same key.
    byId("confirm-cancel").focus();
  }

  async #onConfirmed(): Promise<void> {
    const order = this.#order;
    if (order === null) return;
    this.#give.disabled = true;
    setText(this.#fault, "");
    const answer = await this.#send(order);
    // It was closed meanwhile: what came of it is said all the same.
    const isOpen = this.#order === order;
    if (answer.ok) {
      if (isOpen) this.#dialog.close();
      const warnings = (answer.warnings ?? []).map((warning) => ` But: ${warning}.`).join("");
      tell(`Done: ${order.meaning}${warnings}`);
      this.#source.ask();
      return;
    }
    const fault = `Not done: ${(answer.problems ?? ["no reason is told"]).join("; ")}`;
    if (!isOpen) tell(`${order.question} ${fault}`);
    else {
      setText(this.#fault, fault);
      this.#give.disabled = false;
    }
  }

  async #send({ path, words }: Order): Promise<Answer> {
    try {
      return (await this.#source.order(path, words)) as Answer;
    } catch (error) {
      const { message } = error as Error;
      return { ok: false, problems: [`there was no answer (${message}): see whether it holds`] };
    }
  }
}

/** Where all readers notice it. */
function tell(text: string): void {
  setText(byId("told"), text);
}
