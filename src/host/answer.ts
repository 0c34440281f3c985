/** What the machine says to a question, and where it has that from. */
export interface Answer {
  readonly answer: "yes" | "no" | "unknown";
  /** For people, without a full stop. */
  readonly reason: string;
}
