/** Bytes from hex digits; spaces and line ends are for reading. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s+/g, ""), "hex"));
}

/** Bytes of an ASCII or UTF-8 text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Bytes that differ from place to place, so that a shifted or lost one shows. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8)) & 0xff;
  return bytes;
}

/** The bytes in chunks of the given lengths, which repeat; the last chunk is what is left. */
export function* cut(bytes: Uint8Array, ...lengths: number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    // A copy: a chunk of a socket has an array of its own too.
    yield bytes.slice(at, at + length);
    at += length;
  }
}
