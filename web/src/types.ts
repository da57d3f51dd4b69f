/** What the two routes say, beyond the generated contract. */
import type * as Contract from "./contract.ts";

/** An error's facts: as the plugin sends them, or of the page's own making. */
export interface Problem {
  readonly code: string;
  readonly came: string;
  readonly wanted: string;
  readonly fix: string;
}

export interface RunCard {
  readonly name: string;
  readonly steps: number;
  readonly first_step: number | null;
  readonly last_step: number | null;
  readonly attention: boolean;
  readonly parameters: boolean;
  /** Unix seconds of the newest published step. */
  readonly written: number;
  readonly problem: Problem | null;
}

export interface Catalogue {
  readonly version: string;
  readonly schema: number;
  readonly analyses: readonly Contract.Analysis[];
  readonly runs: readonly RunCard[];
}

/** A question to a run, which is always named. */
export type Query = Contract.Query & { readonly run: string };

export type Layout = readonly [number, number];

export interface Site {
  readonly name: string;
  readonly module: string;
  readonly kind: Contract.Kind;
  readonly module_class: string;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly query_layout: Layout | null;
  readonly key_layout: Layout | null;
}

export interface Example {
  readonly index: number;
  readonly title: string;
  readonly tokens: readonly string[] | null;
  readonly label: string | number | null;
  readonly image: boolean;
}

export interface Parameter {
  readonly name: string;
  readonly module: string;
  readonly shape: string;
  readonly size: number;
}

/** A run's card in full: the answer to `what: "run"`. */
export interface RunFacts {
  readonly run: string;
  readonly steps: readonly number[];
  readonly epochs: readonly number[];
  readonly sites: readonly Site[];
  readonly examples: readonly Example[];
  readonly parameters: readonly Parameter[];
  readonly precision: { readonly name: string; readonly max_error: number };
  readonly problems: readonly string[];
}
