/** Where bytes come from. TensorBoard is one; an offline page may be another. */
import type { Catalogue, Problem, Query } from "../types.ts";

export interface Source {
  catalogue(signal: AbortSignal): Promise<Catalogue>;
  answer(query: Query, signal: AbortSignal): Promise<ArrayBuffer>;
}

/** A refusal with its facts: what came, what was wanted, what to do. */
export class Refusal extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.came} ${problem.wanted} ${problem.fix}`);
    this.problem = problem;
  }
}
