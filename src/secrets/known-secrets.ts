import { formatString } from "../gojson/format.js";
import { quoteText } from "../gojson/quote.js";
import { mask } from "./secret-names.js";

const mostSecrets = 20_000;

/** Texts that were masked somewhere, to be found again in what a plugin prints. */
export class KnownSecrets {
  private readonly forms = new Set<string>();
  private readonly plain = new Set<string>();
  /** Longest first, so that a secret within a longer one does not cut it in two. */
  private sorted: readonly string[] | undefined;

  /** @param shortest texts of fewer letters are in too many words that have nothing to do with them */
  learn(secret: string, shortest: number): void {
    // Output comes by lines, and a key of several lines would not be found in it.
    for (const text of new Set([secret, ...secret.split(/\r?\n/)])) {
      if (text.length < shortest || this.plain.has(text) || this.forms.size >= mostSecrets) continue;
      // As it is, as JSON and Go write it in a string, and as Go quotes that JSON.
      const written = [text, JSON.stringify(text).slice(1, -1), formatString(text).slice(1, -1)];
      for (const form of written) this.forms.add(form).add(quoteText(form).slice(1, -1));
      this.sorted = undefined;
    }
  }

  /** Texts that are no secret though a variable holds them: a pod's name is its HOSTNAME. */
  except(texts: readonly string[]): void {
    for (const text of texts) this.plain.add(text);
  }

  scrub(text: string): string {
    this.sorted ??= [...this.forms].toSorted((a, b) => b.length - a.length);
    let scrubbed = text;
    for (const form of this.sorted) {
      if (scrubbed.includes(form)) scrubbed = scrubbed.replaceAll(form, mask(form));
    }
    return scrubbed;
  }
}
