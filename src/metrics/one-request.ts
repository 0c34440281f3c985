import type { Socket } from "node:net";
import { formatHead, type HttpRequest, type HttpResponse, parseRequestLine } from "./request.js";

export type Answer = (request: HttpRequest) => Promise<HttpResponse>;

/** From the connection to its end, whatever the other side does or leaves: this is the same machine. */
const lifeMs = 5_000;
const longestHead = 16 * 1024;
/** What is received and thrown away behind the head. A connection that is closed with bytes unread loses its answer. */
const mostBytes = 128 * 1024;

/**
 * Answers the first request of a connection and closes it. Not Node's own server: that makes objects for each request
 * that is sent behind the first one, and 64 KB of them hold up the event loop for 50 ms, whatever is done with them.
 */
export function answerOne(socket: Socket, answer: Answer): void {
  let received = 0;
  let head = "";
  let complete = false;
  const life = setTimeout(() => socket.destroy(), lifeMs).unref();
  socket.on("close", () => clearTimeout(life));
  // It costs that one request.
  socket.on("error", () => {});
  socket.on("end", () => {
    if (!complete) socket.destroy();
  });
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text.length;
    if (received > mostBytes) socket.destroy();
    if (complete) return;
    const from = Math.max(0, head.length - 3);
    head += text;
    const end = findEnd(head, from);
    if (end < 0 && head.length <= longestHead) return;
    complete = true;
    void respond(end < 0 || end > longestHead ? undefined : head.slice(0, end));
    head = "";
  });

  async function respond(text: string | undefined): Promise<void> {
    const request = text === undefined ? undefined : parseRequestLine(text);
    const response = await responseTo(text, request, answer);
    if (socket.destroyed) return;
    socket.write(formatHead(response, new Date()));
    if (request?.method === "HEAD") socket.end();
    else socket.end(response.body);
  }
}

async function responseTo(
  text: string | undefined,
  request: HttpRequest | undefined,
  answer: Answer,
): Promise<HttpResponse> {
  if (text === undefined) return textResponse(431, `at most ${longestHead} bytes are expected before the empty line`);
  if (request === undefined) return textResponse(400, "a request of HTTP/1.1 is expected");
  try {
    return await answer(request);
  } catch {
    return textResponse(500, "this cannot be told");
  }
}

export function textResponse(status: HttpResponse["status"], text: string): HttpResponse {
  return { status, contentType: "text/plain; charset=utf-8", body: Buffer.from(`${text}\n`) };
}

/** Behind the empty line; -1 when it has not come yet. */
function findEnd(head: string, from: number): number {
  const at = head.indexOf("\r\n\r\n", from);
  return at < 0 ? -1 : at + 4;
}
