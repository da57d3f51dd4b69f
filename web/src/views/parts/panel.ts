/** What a file in `views/panels/` says of itself, as `panel`. */
export interface Panel {
  /** The pages that show it, by name. */
  readonly pages: readonly string[];
  /** Where on them: in the side bar, or wherever else the page says. */
  readonly where: string;
  /** Its rank among the panels there. */
  readonly order: number;
}
