/** The CRC family: twemproxy's three (hashkit/nc_crc16.c, nc_crc32.c), and Redis Cluster's. All results are uint32. */

/** CRC-16/XMODEM: polynomial 0x1021, most significant bit first. */
const TABLE_16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x8000) !== 0 ? 0x1021 : 0);
  return crc & 0xffff;
});

/** CRC-32 of IEEE 802.3: polynomial 0xedb88320, least significant bit first. */
const TABLE_32 = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? 0xedb88320 : 0);
  return crc;
});

/** twemproxy's `crc16`: its 32-bit accumulator is never masked, so bits above the CRC's 16 stay in the result. */
export function crc16(bytes: Buffer, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    crc = (crc << 8) ^ TABLE_16[((crc >>> 8) ^ bytes[i]!) & 0xff]!;
  }
  return crc >>> 0;
}

/** Redis Cluster's CRC-16/XMODEM, 0 … 65535. A key's cluster slot is this value & 16383. */
export function crc16Slot(bytes: Buffer, start: number, end: number): number {
  return crc16(bytes, start, end) & 0xffff;
}

/** twemproxy's and libmemcached's `crc32`: only bits 16 … 30 of the CRC-32, so 0 … 32767. */
export function crc32(bytes: Buffer, start: number, end: number): number {
  return (crc32a(bytes, start, end) >>> 16) & 0x7fff;
}

/** CRC-32 as everyone else knows it. */
export function crc32a(bytes: Buffer, start: number, end: number): number {
  let crc = -1;
  for (let i = start; i < end; i++) {
    crc = (crc >>> 8) ^ TABLE_32[(crc ^ bytes[i]!) & 0xff]!;
  }
  return ~crc >>> 0;
}
