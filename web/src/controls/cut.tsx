/** A name that is cut in its middle where there is no room: its end tells it from its neighbours. */

/** Letters at the end that stay, and how many more a name has to have to be cut at all. */
const TAIL = 12;
const MORE = 10;

interface CutProps {
  text: string;
  /** There is little room: less of the end stays. */
  short?: boolean;
}

export function Cut({ text, short = false }: CutProps) {
  const letters = [...text];
  const [tail, more] = short ? [TAIL / 2, MORE / 2] : [TAIL, MORE];
  if (letters.length <= tail + more) return <bdi class="cut whole">{text}</bdi>;
  return (
    <bdi class="cut">
      <span>{letters.slice(0, -tail).join("")}</span>
      <span>{letters.slice(-tail).join("")}</span>
    </bdi>
  );
}
