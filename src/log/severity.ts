/** syslog's severities for pino's level labels (RFC 5424, 6.2.1). */
const severities: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };

/** The severity of a level; info's for one that is not known. */
export function severityOf(level: string): number {
  return (Object.hasOwn(severities, level) ? severities[level] : undefined) ?? 6;
}

/** A line as the journal and syslog's `logger --prio-prefix` read it, from a line of JSON or of text. */
export function withSeverity(line: string): string {
  const [, json, text] = /"level":"([a-z]+)"|^\S* ([A-Z]+) /.exec(line) ?? [];
  return `<${severityOf(json ?? text?.toLowerCase() ?? "info")}>${line}`;
}
