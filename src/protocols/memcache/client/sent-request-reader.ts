/** Reads requests as they are sent to servers, see RequestReader. */
import { ACCESS, type Access } from "../../../api/request-facts.ts";
import type { RequestReader } from "../../../api/request-reader.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPCODE,
  accessOf,
  HEADER_BYTES,
} from "../codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../codec/binary/read-number.ts";
import { TextRequestScanner } from "../codec/text/request-scanner.ts";
import { TextRequest } from "../codec/text/text-request.ts";

export class SentTextReader implements RequestReader {
  access: Access = ACCESS.write;
  keyStart = 0;
  keyEnd = 0;
  private readonly scanner: TextRequestScanner = new TextRequestScanner();
  private readonly request: TextRequest = new TextRequest();

  read(bytes: Buffer, start: number, end: number): number {
    const { request } = this;
    const next = this.scanner.scan(bytes, start, end, request);
    if (next <= start) {
      this.scanner.reset();
      request.release();
      return start;
    }
    this.access = request.access;
    const key = request.command.kind === "gat" ? 2 : 1;
    const hasKey = request.count > key;
    this.keyStart = hasKey ? request.tokenStart[key]! : start;
    this.keyEnd = hasKey ? request.tokenEnd[key]! : start;
    request.release();
    return next;
  }
}

export class SentBinaryReader implements RequestReader {
  access: Access = ACCESS.write;
  keyStart = 0;
  keyEnd = 0;

  read(bytes: Buffer, start: number, end: number): number {
    if (end - start < HEADER_BYTES) return start;
    const next = start + HEADER_BYTES + readUint32(bytes, start + AT_BODY_LENGTH);
    if (next > end) return start;
    const keyBytes = readUint16(bytes, start + AT_KEY_LENGTH);
    this.access = keyBytes === 0 ? ACCESS.admin : accessOf(bytes[start + AT_OPCODE]!);
    this.keyStart = start + HEADER_BYTES + bytes[start + AT_EXTRAS_LENGTH]!;
    this.keyEnd = this.keyStart + keyBytes;
    return next;
  }
}
