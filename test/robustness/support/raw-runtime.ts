import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Something at a runtime's socket that is no runtime; gives the times at which it was connected to. */
export async function listenRaw(path: string, onConnection: (socket: Socket) => void): Promise<readonly number[]> {
  const times: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    times.push(performance.now());
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((ready) => server.listen(path, ready));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  });
  return times;
}
