/** A name that is cut in its middle where there is no room: its end tells it from its neighbours. */

/** Letters at the end that stay, and how many more a name has to have to be cut at all. */
const TAIL = 12;
const SHORT = 10;

export function Cut({ text }: { text: string }) {
  const letters = [...text];
  if (letters.length <= TAIL + SHORT) return <bdi class="cut whole">{text}</bdi>;
  return (
    <bdi class="cut">
      <span>{letters.slice(0, -TAIL).join("")}</span>
      <span>{letters.slice(-TAIL).join("")}</span>
    </bdi>
  );
}
