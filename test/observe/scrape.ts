import { type ClientRequest, type RequestOptions, request } from "node:http";

export interface Page {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Gets a page over TCP or a unix socket. */
export function getPage(where: RequestOptions, path: string, method = "GET"): Promise<Page> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request({ ...where, path, method, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on("error", reject).end();
  });
}

/** The samples of an exposition: `name{labels}` to value, labels as written. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}
