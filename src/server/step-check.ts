/**
 * Whether a server still answers in step. Replies do not say what they answer: after one that got lost on the way, or one too
 * many, each later one would be taken for that of another request. So a question is asked whose answer cannot be mistaken:
 *
 *   requests, question, more requests ──▶ replies, answer, more replies     in step
 *                                     ──▶ answer in the place of a reply    a reply is missing
 *                                     ──▶ a reply in the answer's place     a reply is missing, or one came too many
 *
 * What follows the question is delivered only when its answer came in its place. An error in its place may mean that this
 * server does not answer such questions: then no request fails for it.
 *
 * There are two kinds. The sure question is asked behind a request whose reply is late, because that may come yet and is swallowed then,
 * unless it is lost. The regular one is asked about once a second while replies keep coming, because no request is ever late
 * on a busy connection: each gets the reply of the one before.
 */
import type { StepQuestion, UpstreamProtocol } from "../api/protocol.ts";
import { STEP_CHECK_MS } from "../base/limits.ts";

export class StepCheck {
  /** The question that is on the connection, not answered; null: there is none. */
  asked: StepQuestion | null = null;
  /** It is the regular one: no request was late when it was asked. */
  isRegular = false;
  /** Since it was asked another reply was late, or its answer was an error: the sure question has to be asked. */
  isWanted = false;
  /** In the place of the last answer to the sure question came an error, which tells nothing. */
  isInDoubt = false;

  private readonly sure: StepQuestion;
  private readonly first: StepQuestion;
  /** What is asked regularly; null: nothing, because the server refuses to answer. */
  private regular: StepQuestion | null;
  /** This server has answered a question, over this connection or the one in its place before. */
  private isUnderstood = false;
  /** A connection ended when it was asked for the first time: maybe because of that. */
  private isHarmful = false;
  private askedMs = 0;
  /** When bytes came last. */
  private heardMs = Number.NEGATIVE_INFINITY;

  constructor(sure: StepQuestion, regular: StepQuestion) {
    this.sure = sure;
    this.first = regular;
    this.regular = regular;
  }

  /** For a connection with `protocol`; null: its replies are not checked. */
  static of({ stepQuestion, regularQuestion }: UpstreamProtocol): StepCheck | null {
    if (stepQuestion === undefined) return null;
    return new StepCheck(stepQuestion, regularQuestion ?? stepQuestion);
  }

  /** The connection is ready. */
  start(nowMs: number): void {
    this.askedMs = nowMs;
  }

  /**
   * Bytes came. To be called each time.
   * @param isBusy requests wait for replies
   * @returns whether it is time for the regular question
   */
  isDue(nowMs: number, isBusy: boolean): boolean {
    const isSteady = isBusy || nowMs - this.heardMs < STEP_CHECK_MS;
    this.heardMs = nowMs;
    if (nowMs - this.askedMs < STEP_CHECK_MS) return false;
    // With little traffic each reply would cost a second one.
    return isSteady && this.asked === null && this.regular !== null;
  }

  /** The question is asked now. Only while none is, and the regular one only when it is due. @returns what to send */
  ask(isRegular: boolean, nowMs: number): Buffer {
    const question = isRegular ? this.regular! : this.sure;
    this.asked = question;
    this.isRegular = isRegular;
    this.askedMs = nowMs;
    return question.request;
  }

  /** The connection is gone. @param isByServer the server has closed it */
  reset(isByServer: boolean): void {
    if (isByServer && this.asked !== null) this.isHarmful = true;
    this.asked = null;
    this.isWanted = false;
    this.isInDoubt = false;
    this.regular = this.isHarmful && !this.isUnderstood ? null : this.first;
  }

  /**
   * The reply bytes[start, end) came while question `asked` is not answered: in the place of its answer, or of another reply.
   * @returns false: it does not belong there
   */
  fits(
    asked: StepQuestion,
    isPlaceOfAnswer: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): boolean {
    const isAnswer = asked.isAnswer(bytes, start, end);
    if (isAnswer) this.isUnderstood = true;
    if (!isPlaceOfAnswer) return !isAnswer;
    if (isAnswer) {
      this.asked = null;
      this.isInDoubt = false;
      return true;
    }
    const refusal = asked.refusal(bytes, start, end);
    if (refusal === "none") {
      this.isHarmful = true;
      return false;
    }
    this.asked = null;
    if (asked === this.sure) this.isInDoubt = true;
    else this.isWanted = true;
    if (refusal === "lasting" && asked === this.regular) {
      this.regular = asked === this.sure ? null : this.sure;
    }
    return true;
  }
}
