/** Which of a run's numbers are its loss on training data and on validation data. */

/** Ends the name of the number that says at which step another was measured. */
export const MEASURED_AT = "_step";

const VALIDATION = /^(val|valid|validation|eval|dev|test)[_/-]/i;
const TRAINING = /^(train|training)[_/-]/i;

/** Names as frameworks write them: `loss`, `val_loss`, `eval_loss`, `train/loss`, `train_loss_epoch`. */
export function lossNames(names: readonly string[]): { train?: string; validation?: string } {
  const losses = names.filter((name) => /loss/i.test(name) && !name.endsWith(MEASURED_AT));
  const shortest = (some: readonly string[]) =>
    [...some].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))[0];
  const validation = shortest(losses.filter((name) => VALIDATION.test(name)));
  const train =
    losses.find((name) => name === "loss") ??
    shortest(losses.filter((name) => TRAINING.test(name))) ??
    shortest(losses.filter((name) => !VALIDATION.test(name)));
  return {
    ...(train === undefined ? {} : { train }),
    ...(validation === undefined ? {} : { validation }),
  };
}
