/** Clients that have come to the wrong port, known by bytes that cannot be a request in the protocol spoken there. */

/** What such a client speaks. */
export type Foreign = "redis" | "memcache" | "tls" | "http";

export const TLS_HANDSHAKE = 0x16;
export const TLS_MAJOR_VERSION = 3;

/** Whether bytes[start, end) begin as a TLS ClientHello does. */
export function isTls(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= 2 && bytes[start] === TLS_HANDSHAKE && bytes[start + 1] === TLS_MAJOR_VERSION
  );
}

/** The first words of HTTP requests. */
export const HTTP_METHOD: RegExp = /^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|TRACE|CONNECT)$/;
