/** What the service manager has to be told. */
export interface Wanted {
  /** Once it is true, READY=1 is due. */
  readonly ready: boolean;
  readonly stopping: boolean;
  readonly status: string;
  /** The watchdog's beat is due. */
  readonly beat: boolean;
}

const longestStatus = 200;

/** What the manager has been told, so that what did not reach it is said again. */
export class Told {
  private ready = false;
  private stopping = false;
  private status = "";

  /** The assignments that are due now, the important ones first. */
  due({ ready, stopping, status, beat }: Wanted): string[] {
    const text = statusLine(status);
    return [
      ...(ready && !this.ready && !stopping ? ["READY=1"] : []),
      ...(stopping && !this.stopping ? ["STOPPING=1"] : []),
      ...(text === this.status ? [] : [`STATUS=${text}`]),
      ...(beat ? ["WATCHDOG=1"] : []),
    ];
  }

  /** They have reached the manager. */
  reached(assignments: readonly string[]): void {
    for (const assignment of assignments) {
      if (assignment === "READY=1") this.ready = true;
      if (assignment === "STOPPING=1") this.stopping = true;
      if (assignment.startsWith("STATUS=")) this.status = assignment.slice("STATUS=".length);
    }
  }
}

/** One short line: what a runtime calls itself is in it, and neither a datagram nor a program's argument takes everything. */
export function statusLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
  const line = text.slice(0, 2 * longestStatus).replaceAll(/[\x00-\x1f\x7f]+/g, " ");
  // By characters: half of one is no UTF-8, and systemd drops a status that is none.
  return [...line].slice(0, longestStatus).join("").toWellFormed();
}
