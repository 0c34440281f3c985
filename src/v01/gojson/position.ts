import { decodeUtf8 } from "./utf8.js";

/** A place in a text as an editor shows it: line and column, both from 1; the column counts characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The place of the byte at `offset`. */
export function positionOf(bytes: Uint8Array, offset: number): Position {
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < offset && i < bytes.length; i++) {
    if (bytes[i] !== 0x0a) continue;
    line++;
    lineStart = i + 1;
  }
  return { line, column: [...decodeUtf8(bytes.subarray(lineStart, offset))].length + 1 };
}
