/** Something that a plugin did in its view and that is more than a value. */
export interface CaptureNote {
  /** As the plugin saw it, such as /sys/fs/cgroup/cpu/kubepods/x/cpu.shares. */
  readonly file: string;
  /** What was written, cut where it is long. */
  readonly value?: string;
  readonly text: string;
}

const maxShown = 64;

export function captureNote(file: string, text: string, value?: string): CaptureNote {
  return value === undefined ? { file, text } : { file, value: cutText(value.trim()), text };
}

/** A text of a plugin's, quoted and short enough for a message. */
export function quoteShort(text: string): string {
  return JSON.stringify(cutText(text));
}

function cutText(text: string): string {
  return text.length > maxShown ? `${text.slice(0, maxShown)}...` : text;
}
