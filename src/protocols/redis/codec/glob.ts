/** Redis's glob patterns (KEYS, SCAN MATCH): `*`, `?`, `[a-z]`, `[^x]`, backslash escapes. Linear in text × pattern. */
export function matchesGlob(pattern: string, text: string): boolean {
  // Redis lets no other pattern match an empty key, not even "**".
  if (text === "") return pattern === "" || pattern === "*";
  let p = 0;
  let t = 0;
  let starPattern = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern.charAt(p) === "*") {
      starPattern = ++p;
      starText = t;
      continue;
    }
    const end = p < pattern.length ? matchOne(pattern, p, text.charAt(t)) : -1;
    if (end >= 0) {
      p = end;
      t += 1;
    } else if (starPattern >= 0) {
      // The last star swallows one character more.
      p = starPattern;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern.charAt(p) === "*") p += 1;
  return p >= pattern.length;
}

/** Where the pattern goes on after matching one character, or -1. */
function matchOne(pattern: string, at: number, character: string): number {
  const symbol = pattern.charAt(at);
  if (symbol === "?") return at + 1;
  if (symbol === "[") return matchClass(pattern, at + 1, character);
  if (symbol === "\\" && at + 1 < pattern.length) {
    return pattern.charAt(at + 1) === character ? at + 2 : -1;
  }
  return symbol === character ? at + 1 : -1;
}

function matchClass(pattern: string, start: number, character: string): number {
  const negated = pattern.charAt(start) === "^";
  let at = negated ? start + 1 : start;
  let found = false;
  while (at < pattern.length && pattern.charAt(at) !== "]") {
    if (pattern.charAt(at) === "\\" && at + 1 < pattern.length) {
      found ||= pattern.charAt(at + 1) === character;
      at += 2;
    } else if (pattern.charAt(at + 1) === "-" && at + 2 < pattern.length) {
      found ||= isBetween(character, pattern.charAt(at), pattern.charAt(at + 2));
      at += 3;
    } else {
      found ||= pattern.charAt(at) === character;
      at += 1;
    }
  }
  return found === negated ? -1 : Math.min(at + 1, pattern.length);
}

/** The ends may come in either order. Bytes compare signed, as C's `char` does on x86. */
function isBetween(character: string, one: string, other: string): boolean {
  const [code, start, end] = [signedByte(character), signedByte(one), signedByte(other)];
  return code >= Math.min(start, end) && code <= Math.max(start, end);
}

function signedByte(character: string): number {
  const code = character.charCodeAt(0);
  return code > 127 ? code - 256 : code;
}
