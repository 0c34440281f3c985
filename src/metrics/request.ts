/** What a request asks for. */
export interface HttpRequest {
  readonly method: string;
  /** Without the query, as sent. */
  readonly path: string;
}

/** The first line of a request, after empty ones (RFC 9112, 2.2); undefined when it is none of HTTP/1. */
export function parseRequestLine(head: string): HttpRequest | undefined {
  const [, method, target] = /^(?:\r?\n)*([A-Z]+) (\S+) HTTP\/1\.[01]\r?\n/.exec(head) ?? [];
  if (method === undefined || target === undefined) return undefined;
  // `GET http://host/path`: what is said to a proxy, and servers take it too (RFC 9112, 3.2.2).
  const [path = ""] = target.replace(/^https?:\/\/[^/?]*/i, "").split("?");
  return { method, path: path === "" ? "/" : path };
}

/** What is answered. */
export interface HttpResponse {
  readonly status: keyof typeof reasons;
  readonly contentType: string;
  readonly body: Buffer;
}

const reasons = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** What goes before the body. A connection is for one request. @param now for the field Date */
export function formatHead({ status, contentType, body }: HttpResponse, now: Date): string {
  const fields = [
    `Date: ${now.toUTCString()}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${body.length}`,
    "Cache-Control: no-store",
    "Connection: close",
    ...(status === 405 ? ["Allow: GET, HEAD"] : []),
  ];
  return `HTTP/1.1 ${status} ${reasons[status]}\r\n${fields.join("\r\n")}\r\n\r\n`;
}
