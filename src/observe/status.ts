import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { attempt, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";

/** The name of the status file in the state directory. */
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

/** Facts for `doctor` about a bridge that hangs or has ended, and so cannot be asked. docs/json.md has each key. */
export type Status = z.infer<typeof schema>;

const maxBytes = 64 * 1024;

/** The status in a file; undefined when the file holds no valid status, or cannot be read. */
export function readStatus(path: string): Status | undefined {
  return attempt(() => schema.parse(JSON.parse(readRegularFile(path, maxBytes).toString("utf8"))));
}

/** A short hash of a configuration: different settings have different digests. */
export function digestOf(settings: object): string {
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}

interface StatusOptions {
  /** The state directory while this bridge holds its lock; undefined while it does not, or without a state directory. */
  readonly directory: () => string | undefined;
  readonly look: () => Omit<Status, "starts">;
  readonly log: Log;
}

/** The text of `end` begins with this when the bridge ended because it was told to, not because of a failure. */
export const toldToEnd = "told to end:";

/** When only the last event or the last failure is new, the bridge writes the file at most once in this time. */
const coarseMs = 60_000;
/** The file keeps this many recent start times, enough for `doctor` to detect a restart loop. */
export const keptStarts = 4;

/**
 * The bridge compares the status this often while it changes. While it does not change, each interval is twice the one before, up
 * to `restingLookMs`, because each look wakes an idle machine.
 */
const lookEachMs = 500;
const restingLookMs = 10_000;

/**
 * Flags to open the file with. The open follows no symbolic link, and does not block on a FIFO: the exit of the bridge waits for
 * the last write.
 */
const safely = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Keeps the status file in the state directory: writes it when the status changes, and replaces it whole. No event waits for a
 * write, and a failed write costs no more than one line of the log.
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
      warn({ error: errorText(error) }, "cannot write the bridge's status file: doctor knows less about it");
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
    /** To be called when the status may have changed: the next look then comes after `lookEachMs`. */
    soon(): void {
      if (everyMs === lookEachMs) return;
      everyMs = lookEachMs;
      arm();
    },
    /** Writes the status a last time, with how the bridge ended, and stops looking. */
    async close(): Promise<void> {
      closed = true;
      clearTimeout(timer);
      await writing;
      await turn();
    },
  };
}
