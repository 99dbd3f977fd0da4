/** The page for browsers: one document, which asks for all that it shows afterwards. */
import type { HttpAnswer } from "./http-port.ts";
// The build makes the document, see page-document.ts.
import { pageDocument } from "./page-document.ts" with { type: "macro" };

interface PageDocument {
  readonly html: string;
  /** Of its script and its style sheet, as Content-Security-Policy has them. */
  readonly scriptHash: string;
  readonly styleHash: string;
}

const DOCUMENT: PageDocument = pageDocument();
const HTML: Buffer = Buffer.from(DOCUMENT.html);

/** Nothing but the document's own script and style sheet, and no address but the one that it came from. */
const POLICY: string = [
  "default-src 'none'",
  `script-src '${DOCUMENT.scriptHash}'`,
  `style-src '${DOCUMENT.styleHash}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS: readonly string[] = [
  `Content-Security-Policy: ${POLICY}`,
  "Referrer-Policy: no-referrer",
  "Cross-Origin-Opener-Policy: same-origin",
  "Cross-Origin-Resource-Policy: same-origin",
];

export function answerOverviewPage(): HttpAnswer {
  return { status: 200, type: "text/html; charset=utf-8", body: HTML, headers: HEADERS };
}
