/** Fetches the tiles that a view wants and lacks: a few at a time, and none that it no longer wants. */

interface Wish {
  readonly name: string;
  readonly load: (signal: AbortSignal) => Promise<void>;
}

/**
 * Fetches what is wanted now, a few at a time, in the order wanted. What is under way but no longer
 * wanted is aborted; what failed is not tried again until it was not wanted for once.
 */
export class Fetching {
  private readonly running = new Map<string, AbortController>();
  private readonly failed = new Map<string, unknown>();
  private readonly lanes: number;
  private readonly ended: () => void;
  private wishes: readonly Wish[] = [];

  /** `lanes` at a time; `ended` is called whenever a fetch ends that was still wanted. */
  constructor(lanes: number, ended: () => void) {
    this.lanes = lanes;
    this.ended = ended;
  }

  /** Whether anything wanted is still to come. */
  get pending(): boolean {
    return this.running.size > 0 || this.wishes.length > 0;
  }

  /** Why something wanted could not be had, if so. */
  get problem(): unknown {
    return this.failed.values().next().value ?? null;
  }

  want(wishes: readonly Wish[]): void {
    const names = new Set(wishes.map((wish) => wish.name));
    for (const [name, abort] of this.running) {
      if (names.has(name)) continue;
      this.running.delete(name);
      abort.abort();
    }
    for (const name of this.failed.keys()) if (!names.has(name)) this.failed.delete(name);
    this.wishes = wishes.filter(
      (wish) => !this.running.has(wish.name) && !this.failed.has(wish.name),
    );
    this.start();
  }

  stop(): void {
    this.want([]);
  }

  private start(): void {
    while (this.running.size < this.lanes) {
      const [next, ...rest] = this.wishes;
      if (!next) return;
      this.wishes = rest;
      const abort = new AbortController();
      this.running.set(next.name, abort);
      next.load(abort.signal).then(
        () => this.end(next.name, abort),
        (cause) => {
          if (!abort.signal.aborted) this.failed.set(next.name, cause);
          this.end(next.name, abort);
        },
      );
    }
  }

  private end(name: string, abort: AbortController): void {
    if (this.running.get(name) !== abort) return;
    this.running.delete(name);
    this.start();
    this.ended();
  }
}
