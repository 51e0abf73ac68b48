// What the API answers with (docs/API.md), as far as the page reads it.

export interface Owner {
  boot_id: string;
  pid: number;
  actor: string;
}

export interface StepRow {
  version: number;
  to: string;
  step: string;
  started: number;
  irreversible: boolean;
  state: 'started' | 'done' | 'failed' | 'did_not_happen';
  boot: string;
  in_doubt: boolean | null;
  ended_at: string | null;
  reason: string | null;
  token: number | null;
  principal: string | null;
}

export interface GateRow {
  version: number;
  gate: string;
  passed: boolean | null;
  reason: string | null;
  seq: number;
  later: boolean | null;
  head: string | null;
}

/// What a person said to a question for approvals.
export interface Said {
  principal: string;
  as: string | null; // the name by which it may, if that is not the principal
  approved: boolean;
  reason: string | null;
  seq: number;
  said_at: string;
}

/// The question that a gate asks people, about a version of the task and a commit.
export interface Approval {
  version: number;
  head: string | null;
  asked_at: string;
  until_at: string | null;
  by: string[]; // who may: "token:ada", "user:ada", "group:release"
  need: number;
  not_submitter: boolean;
  said: Said[];
}

export interface Task {
  id: number;
  work_item: string;
  repo: string;
  branch: string | null;
  pipeline: number;
  stage: string;
  version: number;
  blocked: string | null;
  cancel_requested: string | null;
  rollbacks: number;
  depends_on: number[];
  steps: StepRow[];
  gate: GateRow | null;
  last: { seq: number; boot: string; actor: string };
  created_at: string;
  entered_at: string;
  branch_head: string | null;
  branch_begun: boolean | null;
  principal: string | null;
  let_through: number | null; // the version at which an operator lets it past what holds it
  approval: Approval | null;
  priority: number | null; // null: 0
  not_before_at: string | null; // no work on it starts earlier
}

export interface Run {
  owner: Owner;
  claimed_at: string;
  pid: number | null;
  started_at: string | null;
  exit_code: number | null;
  exited_at: string | null;
  ttl: number | null;
  renewed_at: string | null;
}

export interface Job {
  id: number;
  task: number;
  agent: string;
  stage: string;
  version: number;
  status: 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
  attempts: number;
  max_attempts: number;
  interruptions: number;
  returned: number | null;
  reason: string | null;
  run: Run | null;
  queued_at: string;
  not_before_at: string | null;
}

export interface Lease {
  key: string;
  token: number;
  owner: Owner;
  edge: string | null;
  ttl: number | null;
  acquired_at: string;
  renewed_at: string;
}

/// A held place or, of a planned freeze, a window.
export interface Hold {
  place: string;
  active: boolean;
  freeze: boolean;
  stages: string[]; // of a freeze: those that it is of; none: all
  since_at: string;
  until_at: string | null;
  reason: string | null;
  seq: number;
  by: string | null; // null: a freeze
  boot: string | null;
}

export interface Boot {
  boot_id: string;
  name: string;
  pid: number;
  host: string;
  version: string;
  started: number;
  stale: boolean;
  started_at: string | null;
  principal: string | null;
}

interface Command {
  run: string[] | null;
  timeout_s: number;
}

export interface Stage {
  name: string;
  agent: string | null;
  gate: Command | null;
  to: string;
  steps: (Command & { name: string; irreversible: boolean; exclusive: boolean })[];
  rollback: string | null;
}

export interface Definition {
  name: string;
  agents: (Command & { name: string })[];
  stages: Stage[];
}

export interface Pipeline {
  seq: number;
  definition: Definition;
  in_force: boolean;
}

export interface Repo {
  repo: string;
  url: string | null;
  tasks: number;
}

export type Value = boolean | number | string | null | Value[] | { [name: string]: Value };

export interface LogRecord {
  seq: number;
  group: number;
  time: string;
  boot: string;
  actor: string;
  principal?: string | null;
  type: string;
  data: { [name: string]: Value };
  outcome: string;
  unchecked: boolean;
}

export interface Stuck {
  task: number | null;
  work_item: string | null;
  repo: string | null;
  stage: string | null;
  reason: string;
  detail: string | null;
  frees: string | null;
  since: string | null;
  until: string | null;
  owner: Owner | null;
  held_by: string | null;
  by: string | null;
  waits: boolean;
}

export interface LogRun {
  run: string;
  what: 'agent' | 'gate' | 'step' | 'probe';
  name: string | null;
  stage: string;
  version: number;
  job: number | null;
  attempt: number | null;
  began_at: string;
  ended_at: string | null;
  bytes: number;
  kept: number;
}

export interface Me {
  role: 'read' | 'work' | 'operate';
  token: string | null;
  principal: string;
  names: string[]; // the others by which a gate may know it: its groups, its name on pawld's host
  limits: string | null;
}

export interface Readiness {
  ready: boolean;
  reason: string | null;
  version: string | null;
  boot: string | null;
  seq: number | null;
}

export interface List<T> {
  items: T[];
  next: number | string | null;
}
