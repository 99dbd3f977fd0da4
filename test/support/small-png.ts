/** Screenshots as small files for the documents: at most 256 colours, and packed as well as it goes. */
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const COLOURS_MAX = 256;

/** @param png 8 bits each of red, green and blue, as Chromium writes it */
export function smallPng(png: Buffer): Buffer {
  const { width, height, pixels } = decode(png);
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const palette = [...counts]
    .sort(([, a], [, b]) => b - a)
    .filter((_, index) => index < COLOURS_MAX)
    .map(([colour]) => colour);
  const places = new Map(palette.map((colour, index) => [colour, index]));
  const lines = Buffer.alloc((width + 1) * height);
  for (const [index, pixel] of pixels.entries()) {
    let place = places.get(pixel);
    if (place === undefined) {
      place = nearest(palette, pixel);
      places.set(pixel, place);
    }
    lines[index + Math.floor(index / width) + 1] = place;
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((it) => [it >> 16, (it >> 8) & 255, it & 255]));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", head),
    chunk("PLTE", colours),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function decode(png: Buffer): { width: number; height: number; pixels: Uint32Array } {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  if (png[24] !== 8 || png[25] !== 2 || png[28] !== 0)
    throw new Error("not a picture of this kind");
  const parts: Buffer[] = [];
  for (let at = SIGNATURE.length; at < png.length; ) {
    const size = png.readUInt32BE(at);
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") {
      parts.push(png.subarray(at + 8, at + 8 + size));
    }
    at += size + 12;
  }
  const bytes = inflateSync(Buffer.concat(parts));
  const stride = width * 3;
  const pixels = new Uint32Array(width * height);
  let above = Buffer.alloc(stride);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1);
    const line = unfilter(bytes[from] ?? 0, bytes.subarray(from + 1, from + 1 + stride), above);
    for (let x = 0; x < width; x++) {
      pixels[y * width + x] = (line[x * 3]! << 16) | (line[x * 3 + 1]! << 8) | line[x * 3 + 2]!;
    }
    above = line;
  }
  return { width, height, pixels };
}

/** By the five filters of the PNG specification. */
function unfilter(filter: number, bytes: Buffer, above: Buffer): Buffer<ArrayBuffer> {
  const line = Buffer.from(bytes);
  for (let at = 0; at < line.length; at++) {
    const left = at < 3 ? 0 : line[at - 3]!;
    const up = above[at]!;
    const corner = at < 3 ? 0 : above[at - 3]!;
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
    line[at] = line[at]! + guess;
  }
  return line;
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value)) as [
    number,
    number,
    number,
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function nearest(palette: readonly number[], colour: number): number {
  let found = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, other] of palette.entries()) {
    const [r, g, b] = [16, 8, 0].map((bits) => ((colour >> bits) & 255) - ((other >> bits) & 255));
    const distance = r! * r! + g! * g! + b! * b!;
    if (distance < least) [found, least] = [index, distance];
  }
  return found;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
