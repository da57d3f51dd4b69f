/**
 * The one place that asks. It keeps answers, decodes them off the main thread, drops stale ones,
 * and knows whether anything is still under way.
 */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { type Grain, type Tile, tileOf } from "../answers/tile.ts";
import { type Answer, decode } from "../answers/wire.ts";
import { ByteLRU } from "../cells/byte_lru.ts";
import { percentiles } from "../cells/scale.ts";
import type { Stride } from "../cells/tiles.ts";
import { busy, settled } from "../ready.ts";
import type { Catalogue, Problem, Query, RunCard } from "../types.ts";
import { Refusal } from "./source.ts";
import { form, tensorboard } from "./tensorboard.ts";
import type { Rows, Work } from "./worker.ts";

/** What a view gets: the newest good answer, and how the question now stands. */
export interface Outcome {
  /** Kept while the next one loads, so that pictures don't flicker. */
  readonly answer: Answer | null;
  /** The question that `answer` answers. */
  readonly query: Query | null;
  /** The answer is to an earlier question. */
  readonly stale: boolean;
  /** Loading for longer than 100 ms. */
  readonly slow: boolean;
  readonly problem: Problem | null;
}

const NOTHING: Outcome = { answer: null, query: null, stale: false, slow: false, problem: null };
const MOST_BYTES = 256 * 2 ** 20;

export const catalogue = signal<Catalogue | null>(null);
export const catalogueProblem = signal<Problem | null>(null);

const answers = new ByteLRU<Answer>(MOST_BYTES);
const generation = new Map<string, number>();

/** Read the catalogue once more; keeps the old one when the server is away. */
export async function refresh(signalled: AbortSignal = new AbortController().signal) {
  const done = catalogue.value === null ? busy() : () => {};
  try {
    const fresh = await tensorboard.catalogue(signalled);
    forget(catalogue.value, fresh);
    if (JSON.stringify(fresh) !== JSON.stringify(catalogue.value)) catalogue.value = fresh;
    catalogueProblem.value = null;
  } catch (cause) {
    if (!signalled.aborted) catalogueProblem.value = problemOf(cause);
  } finally {
    done();
  }
}

export function card(run: string | null): RunCard | null {
  return catalogue.value?.runs.find((each) => each.name === run) ?? null;
}

// A run that went back in time was written anew under its old name: its kept answers are void.
function forget(old: Catalogue | null, fresh: Catalogue) {
  for (const before of old?.runs ?? []) {
    const now = fresh.runs.find((each) => each.name === before.name);
    const back = !now || now.steps < before.steps || now.written < before.written;
    if (back) generation.set(before.name, (generation.get(before.name) ?? 0) + 1);
  }
}

/** The name an answer is kept under: what grows with the run carries the time it was written. */
export function keyOf(query: Query): string {
  const tensors = query.what === "tensors" || query.what === "histograms";
  const grows = ["run", "measures", "parameters", "alerts"].includes(query.what);
  // Of tensors at steps that are named, nothing changes when there are more.
  const newest = tensors
    ? query.steps !== 0 || query.at?.some((step) => step < 0)
    : query.step === undefined || query.step < 0;
  const known = card(query.run);
  const studied = query.what === "studies" || query.what === "study";
  const written = studied ? known?.studied : grows || newest ? known?.written : "";
  return `${generation.get(query.run) ?? 0}|${written}|${form(query)}`;
}

/** A question under way, which several may wait for. */
interface Asked {
  readonly answer: Promise<Answer>;
  readonly abort: AbortController;
  waiting: number;
}

const underWay = new Map<string, Asked>();

/**
 * Ask one question, once however many wait for its answer; it is given up when none does any more.
 * Rejects with a Refusal, or with the signal's reason when aborted.
 */
export function ask(query: Query, signalled: AbortSignal): Promise<Answer> {
  const key = keyOf(query);
  const known = answers.get(key);
  if (known) return Promise.resolve(known);
  const question = underWay.get(key) ?? send(key, query);
  question.waiting += 1;
  return new Promise((resolve, reject) => {
    signalled.addEventListener("abort", () => {
      reject(signalled.reason);
      question.waiting -= 1;
      if (question.waiting > 0) return;
      question.abort.abort();
      if (underWay.get(key) === question) underWay.delete(key);
    });
    question.answer.then(resolve, reject);
  });
}

function send(key: string, query: Query): Asked {
  const abort = new AbortController();
  const fetched = async () => {
    const bytes = await tensorboard.answer(query, abort.signal);
    const size = bytes.byteLength;
    const answer = await worked(bytes, null, decode);
    abort.signal.throwIfAborted();
    answers.put(key, answer, size);
    return answer;
  };
  const question = { answer: fetched(), abort, waiting: 0 };
  const over = () => {
    if (underWay.get(key) === question) underWay.delete(key);
  };
  question.answer.then(over, over);
  underWay.set(key, question);
  return question;
}

/** Ask for a part of a long map, in cells no finer than so many weights; whoever asks keeps it. */
export async function askTile(query: Query, stride: Stride, signalled: AbortSignal): Promise<Tile> {
  const bytes = await tensorboard.answer(query, signalled);
  const { down, across } = stride;
  const task = { down, across, reduce: query.reduce ?? "max" };
  const tile = await worked(bytes, task, (all) => tileOf(decode(all), task));
  signalled.throwIfAborted();
  return tile;
}

/** Follow a question: the outcome changes whenever the question or the run behind it does. */
export function follow(question: () => Query | null): {
  outcome: ReadonlySignal<Outcome>;
  stop: () => void;
} {
  const outcome = signal<Outcome>(NOTHING);
  let asked: string | null = null;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = effect(() => {
    const query = question();
    void catalogueProblem.value; // a server that is back is asked again
    const key = query && keyOf(query);
    if (key === asked) return;
    asked = key;
    abort.abort();
    clearTimeout(timer);
    if (!query) {
      outcome.value = NOTHING;
      return;
    }
    abort = new AbortController();
    const mine = abort;
    const done = busy();
    const before = outcome.peek();
    const same = before.query?.run === query.run;
    outcome.value = same ? { ...before, stale: true, problem: null } : { ...NOTHING, stale: true };
    timer = setTimeout(() => {
      if (!mine.signal.aborted) outcome.value = { ...outcome.peek(), slow: true };
    }, 100);
    const finish = (last: Outcome) => {
      if (mine.signal.aborted) return;
      clearTimeout(timer);
      outcome.value = last;
    };
    ask(query, mine.signal)
      .then(
        (answer) => finish({ answer, query, stale: false, slow: false, problem: null }),
        (cause) => {
          asked = mine.signal.aborted ? asked : null; // the same question may be asked again
          finish({ ...NOTHING, problem: problemOf(cause) });
        },
      )
      .finally(done);
  });
  return {
    outcome,
    stop: () => {
      stop();
      abort.abort();
      clearTimeout(timer);
      settled();
    },
  };
}

export function problemOf(cause: unknown): Problem {
  if (cause instanceof Refusal) return cause.problem;
  return {
    code: "page",
    came: cause instanceof Error ? cause.message : String(cause),
    wanted: "Wanted an answer this page can read.",
    fix: "Reload the page; if it persists, TensorBoard and this page differ in version.",
  };
}

/** Bytes from which on work is handed to the worker. */
const SMALL = 65536;

type Waiting = { resolve(done: unknown): void; reject(cause: Error): void };
const waiting = new Map<number, Waiting>();
let worker: Worker | null | undefined;
let tickets = 0;

/** What the worker makes of bytes, a tile or the answer; `here` does the same without it. */
function worked<T>(
  bytes: ArrayBuffer,
  grain: Grain | null,
  here: (bytes: ArrayBuffer) => T,
): Promise<T> {
  // A small answer decodes faster than a message travels.
  const sent = bytes.byteLength < SMALL ? null : handed<T>({ bytes, grain }, [bytes]);
  return sent ?? Promise.resolve(bytes).then(here);
}

/** Each weight's rank within its row, of several pictures; large ones are ranked by the worker. */
export function ranked(pictures: readonly Rows[]): Float32Array[] | Promise<Float32Array[]> {
  const bytes = pictures.reduce((sum, { values }) => sum + values.byteLength, 0);
  const here = () => pictures.map((each) => percentiles(each.values, each.rows, each.columns));
  return (bytes < SMALL ? null : handed<Float32Array[]>({ ranked: pictures }, [])) ?? here();
}

/** Work handed to the worker; null where there is none. */
function handed<T>(work: Work, transfer: Transferable[]): Promise<T> | null {
  if (worker === undefined) worker = startWorker();
  if (!worker) return null;
  const id = ++tickets;
  const promise = new Promise<T>((resolve, reject) =>
    waiting.set(id, { resolve: resolve as Waiting["resolve"], reject }),
  );
  worker.postMessage({ id, ...work }, transfer);
  return promise;
}

function startWorker(): Worker | null {
  try {
    const made = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    made.onmessage = ({ data }) => {
      const waiter = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.done) waiter?.resolve(data.done);
      else waiter?.reject(new Error(data.message));
    };
    made.onerror = () => {
      worker = null;
      for (const waiter of waiting.values())
        waiter.reject(new Error("The decoding worker stopped."));
      waiting.clear();
    };
    return made;
  } catch {
    return null;
  }
}
