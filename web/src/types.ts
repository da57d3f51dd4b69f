/** What the contract says, as the page has it: an error may be its own, a run's facts know steps. */
import type * as Contract from "./contract.ts";

export type {
  AlertFact,
  Analysis,
  Catalogue,
  Example,
  Layout,
  Parameter,
  RuleWords,
  RunCard,
  Site,
  SiteChange,
  StudyFact,
  Words,
} from "./contract.ts";
export { RULES } from "./contract.ts";

/** An error's facts: as the plugin sends them, or of the page's own making. */
export type Problem = Omit<Contract.Problem, "code"> & { readonly code: string };

/** A question to a run, which is always named. */
export type Query = Contract.Query & { readonly run: string };

/** A run's card in full: the answer to `what: "run"`, its arrays among the facts. */
export type RunFacts = Contract.RunFacts & {
  readonly steps: readonly number[];
  readonly epochs: readonly number[];
};
