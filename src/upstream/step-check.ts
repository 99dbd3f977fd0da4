/**
 * Whether a server still answers in step. When a reply is late it may come yet, and is swallowed then. But if it was lost
 * on the way, each later reply would be taken for the one of the request before. So a question is sent behind the late
 * request whose answer cannot be mistaken:
 *
 *   late request, question, more requests ──▶ late reply, answer, more replies     in step
 *                                         ──▶ answer, more replies                 a reply is missing
 *
 * What follows the question is delivered only when its answer came in its place. An error in its place may mean that this
 * server does not answer such questions: then the connection is in doubt, but no request fails for it.
 */
import type { StepQuestion } from "../api/protocol.ts";

export class StepCheck {
  /** The question is on the connection, not answered. */
  isAsked = false;
  /** Since it was asked another reply was late: it has to be asked again. */
  isWanted = false;
  /** In the place of the last answer came an error, which tells nothing. */
  isInDoubt = false;

  readonly question: StepQuestion;

  constructor(question: StepQuestion) {
    this.question = question;
  }

  /** The connection is gone. */
  reset(): void {
    this.isAsked = false;
    this.isWanted = false;
    this.isInDoubt = false;
  }

  /**
   * The reply bytes[start, end) came while the question is not answered: in the place of its answer, or of another reply.
   * @returns false: it does not belong there
   */
  fits(isPlaceOfAnswer: boolean, bytes: Buffer, start: number, end: number): boolean {
    const isAnswer = this.question.isAnswer(bytes, start, end);
    if (!isPlaceOfAnswer) return !isAnswer;
    if (!isAnswer && !this.question.isError(bytes, start, end)) return false;
    this.isAsked = false;
    this.isInDoubt = !isAnswer;
    return true;
  }
}
