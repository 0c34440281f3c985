/** One entry of a tar archive: a file with content, a symbolic link, or a directory. */
export type TarEntry =
  | { readonly path: string; readonly content: Uint8Array; readonly mode?: number }
  | { readonly path: string; readonly linkTo: string }
  | { readonly path: string; readonly directory: true };

/**
 * A ustar archive of entries, each with owner 0 and time 0, so that the same entries give the same bytes.
 *
 *     name[100] mode[8] uid[8] gid[8] size[12] mtime[12] checksum[8] type[1] linkname[100] "ustar\0" "00" ...
 */
export function encodeTar(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    const content = "content" in entry ? entry.content : new Uint8Array();
    blocks.push(encodeHeader(entry, content.length), Buffer.from(content), Buffer.alloc(-content.length & 511));
  }
  blocks.push(Buffer.alloc(1024));
  return Buffer.concat(blocks);
}

function encodeHeader(entry: TarEntry, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, offset: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
  if (entry.path.length > 100) throw new Error(`tar: the name is too long: ${entry.path}`);
  header.write(entry.path, 0, "utf8");
  octal("content" in entry ? (entry.mode ?? 0o644) : 0o755, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write("content" in entry ? "0" : "linkTo" in entry ? "2" : "5", 156, "latin1");
  if ("linkTo" in entry) header.write(entry.linkTo, 157, "utf8");
  header.write("ustar\u000000", 257, "latin1");
  // The checksum is taken with its own field as spaces.
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}
