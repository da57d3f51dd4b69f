/** A cache of bounded size: keeps what was used last, up to so many bytes. */
export class ByteLRU<T> {
  private readonly entries = new Map<string, { value: T; bytes: number }>();
  private readonly most: number;
  private total = 0;

  constructor(most: number) {
    this.most = most;
  }

  get bytes(): number {
    return this.total;
  }

  get(name: string): T | undefined {
    const entry = this.entries.get(name);
    if (!entry) return undefined;
    this.entries.delete(name);
    this.entries.set(name, entry);
    return entry.value;
  }

  put(name: string, value: T, bytes: number): void {
    this.total += bytes - (this.entries.get(name)?.bytes ?? 0);
    this.entries.delete(name);
    this.entries.set(name, { value, bytes });
    for (const [oldest, entry] of this.entries) {
      if (this.total <= this.most || oldest === name) break;
      this.entries.delete(oldest);
      this.total -= entry.bytes;
    }
  }
}
