import type { ContainerEvent, EventName } from "../src/nri/events.js";
import type { RegisteredPlugin } from "./accept.js";
import type { Containers } from "./containers.js";
import type { Candidate } from "./measure.js";

/**
 * A plugin as a candidate: each sample is one event, the start (or create) of a new container and the stop of it in turn. The
 * time is that from the encoded request to the encoded answer.
 */
export class ContainerLife implements Candidate {
  private current: ContainerEvent | undefined;
  private phase: "new" | "started" | "stopped" = "new";

  constructor(
    readonly name: string,
    private readonly plugin: RegisteredPlugin,
    private readonly containers: Containers,
    private readonly options: { readonly first?: EventName; readonly settle?: () => Promise<void> } = {},
  ) {}

  async run(): Promise<number> {
    this.current ??= await this.containers.next();
    const start = this.phase === "new";
    this.phase = start ? "started" : "stopped";
    return await this.send(start ? (this.options.first ?? "StartContainer") : "StopContainer", this.current);
  }

  /** What a runtime does with the processes between two events. */
  async settle(): Promise<void> {
    await this.options.settle?.();
    if (this.current === undefined) return;
    if (this.phase === "started") return await this.containers.stop(this.current);
    await this.send("RemoveContainer", this.current);
    this.containers.gone(this.current);
    this.current = await this.containers.next();
    this.phase = "new";
  }

  cpu(): number {
    return this.plugin.cpu();
  }

  /** The two events of one container, one after the other, and its removal. */
  async whole(): Promise<void> {
    for (let event = 0; event < 2; event++) {
      await this.run();
      await this.settle();
    }
  }

  private async send(name: EventName, event: ContainerEvent): Promise<number> {
    const unstarted = name === "CreateContainer" ? { ...event, container: { ...event.container, pid: 0 } } : event;
    return await this.plugin.call(name, unstarted);
  }
}
