/**
 * Whether the page is at rest: nothing asked, everything painted. The root says so in
 * `data-ready`, which tests and screenshots wait for.
 */
let under = 0;
let turn = 0;

/** Say that work begins; call what is returned, once, when it ends. */
export function busy(): () => void {
  under += 1;
  show(false);
  let over = false;
  return () => {
    if (over) return;
    over = true;
    under -= 1;
    settled();
  };
}

/** Look again whether all is at rest: after two frames, since an answer may lead to a question. */
export function settled(): void {
  show(false);
  const mine = ++turn;
  const look = () => {
    if (mine === turn && under === 0) show(true);
  };
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(look, 0)));
}

/** Whether the page is at rest now. */
export function atRest(): boolean {
  return document.getElementById("limelight")?.dataset.ready === "true";
}

function show(ready: boolean): void {
  const root = document.getElementById("limelight");
  if (root) root.dataset.ready = String(ready);
}
