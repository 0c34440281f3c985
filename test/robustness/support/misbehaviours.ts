/** What a plugin can do wrong, as steps of the programmable plugin, and what becomes of its run. */
export interface Misbehaviour {
  readonly title: string;
  readonly plan: readonly string[];
  readonly outcome: "timed-out" | "output-too-large";
  /** How many of its processes leave its group, and so live on. */
  readonly deserters: number;
}

const timedOut = { outcome: "timed-out", deserters: 0 } as const;

/** Twenty generations, each of which starts the next and waits: a tree so deep, and never more. */
const forkChain = `chain() { if [ "$1" -gt 0 ]; then chain $(($1 - 1)) & fi; sleep 30; }; chain 20`;
const forkFlat = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; wait";

export const misbehaviours: readonly Misbehaviour[] = [
  { title: "sleeps", plan: ["read", "wait 30"], ...timedOut },
  { title: "sleeps and never reads its request", plan: ["wait 30"], ...timedOut },
  { title: "uses the CPU", plan: ["read", "spin"], ...timedOut },
  { title: "uses the CPU and ignores SIGTERM", plan: ["ignore-term", "spin"], ...timedOut },
  { title: "has stopped its group", plan: ["stop"], ...timedOut },
  { title: "ignores SIGTERM and has stopped itself", plan: ["ignore-term", "run kill -STOP $$", "spin"], ...timedOut },
  { title: "has a child hold its stdout", plan: ["background 30", "wait 30"], ...timedOut },
  { title: "has closed its stdout and stderr", plan: ["run exec 1>&- 2>&-", "wait 30"], ...timedOut },
  { title: "prints without end", plan: ["flood stdout"], outcome: "output-too-large", deserters: 0 },
  { title: "logs without end", plan: ["flood stderr"], ...timedOut },
  { title: "starts ten processes", plan: [`run ${forkFlat}`], ...timedOut },
  { title: "starts a chain of processes", plan: [`run ${forkChain}`], ...timedOut },
  { title: "has a child in a session of its own", plan: ["daemon 30", "wait 30"], outcome: "timed-out", deserters: 1 },
];
