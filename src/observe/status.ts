import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { attempt, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";

/** The name of the file in the state directory. */
export const statusFile = "status.json";

const told = z.nullable(z.object({ at: z.string(), text: z.string() }));

const schema = z.object({
  version: z.string(),
  pid: z.int(),
  mode: z.enum(["external", "launched"]),
  plugin: z.string(),
  runtime: z.nullable(z.object({ name: z.string(), version: z.string() })),
  registered: z.nullable(z.string()),
  socket: z.nullable(z.string()),
  configuration: z.object({ file: z.nullable(z.string()), digest: z.string() }),
  lastEvent: z.nullable(z.string()),
  lastFailure: told,
  end: told,
  starts: z.array(z.string()),
});

/** The facts for doctor about a bridge that it cannot ask: one that hangs, or has ended. docs/json.md describes each key. */
export type Status = z.infer<typeof schema>;

const maxBytes = 64 * 1024;

/** The status that a file holds; undefined when it holds none, or cannot be read. */
export function readStatus(path: string): Status | undefined {
  return attempt(() => schema.parse(JSON.parse(readRegularFile(path, maxBytes).toString("utf8"))));
}

/** Tells one configuration from another. */
export function digestOf(settings: object): string {
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}

interface StatusOptions {
  /** The state directory while it is ours alone; undefined while it is not, or there is none. */
  readonly directory: () => string | undefined;
  readonly look: () => Omit<Status, "starts">;
  readonly log: Log;
}

/** How the text of an end begins that is no failure. */
export const toldToEnd = "told to end:";

/** Events and failures alone make it written no more often. */
const coarseMs = 60_000;
/** As many starts tell a loop. */
export const keptStarts = 4;

/** While there is something new; at rest each look comes twice as late as the one before, since it wakes the machine. */
const lookEachMs = 500;
const restingLookMs = 10_000;

/** No link is followed, and a FIFO in its place holds up nothing: the end waits for the last write. */
const safely = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Keeps the status in the state directory: written on a change, replaced whole. No event waits for it, and no failure of it costs
 * more than a line.
 */
export function keepStatus({ directory, look, log }: StatusOptions) {
  const warn = sayOnce(log.warn.bind(log));
  const startedAt = new Date().toISOString();
  let starts: readonly string[] | undefined;
  let written = "";
  let writtenKey = "";
  let writtenAt = 0;
  let writing: Promise<void> | undefined;
  const write = async () => {
    const place = directory();
    if (place === undefined) return;
    const path = join(place, statusFile);
    if (starts === undefined) {
      const before = readStatus(path);
      const failed = before === undefined || before.end?.text.startsWith(toldToEnd) ? [] : before.starts;
      starts = [...failed, startedAt].slice(-keptStarts);
    }
    const status: Status = { ...look(), starts: [...starts] };
    const text = `${JSON.stringify(status)}\n`;
    const key = JSON.stringify({ ...status, lastEvent: status.lastEvent !== null, lastFailure: null });
    if (text === written || (key === writtenKey && performance.now() - writtenAt < coarseMs)) return;
    [written, writtenKey, writtenAt] = [text, key, performance.now()];
    try {
      await writeFile(`${path}.new`, text, { mode: 0o600, flag: safely });
      await rename(`${path}.new`, path);
    } catch (error) {
      written = "";
      warn({ error: errorText(error) }, "cannot write the status file: doctor knows less about this bridge");
    }
  };
  const turn = () => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  let everyMs = lookEachMs;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const arm = () => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => void tick(), everyMs).unref();
  };
  const tick = async () => {
    const before = written;
    await turn();
    everyMs = written === before ? Math.min(2 * everyMs, restingLookMs) : lookEachMs;
    arm();
  };
  arm();
  return {
    /** There may be something new. */
    soon(): void {
      if (everyMs === lookEachMs) return;
      everyMs = lookEachMs;
      arm();
    },
    /** Writes how it ended, and writes no more. */
    async close(): Promise<void> {
      closed = true;
      clearTimeout(timer);
      await writing;
      await turn();
    },
  };
}
