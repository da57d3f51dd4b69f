/** The numbers of the row and cell pointed at, equal to the array's. */
import { type HeadMap, isAllowed, rowOf, weightAt } from "../../answers/head_map.ts";
import { middle } from "../../answers/site_names.ts";
import { short, sure } from "../../controls/format.ts";
import { keyName, queryName } from "../../draw/map.ts";
import { t } from "../../state/language.ts";
import type { Spot } from "./pointing.ts";

/** Letters of a token that a line has room for; it is cut in its middle. */
const LETTERS = 28;

interface ReadoutProps {
  map: HeadMap;
  spot: Spot | null;
  hint: string;
}

export function Readout({ map, spot, hint }: ReadoutProps) {
  const words = t.value.attention;
  const inside =
    spot && spot.query < map.queries && (spot.key === null || spot.key < map.keys) ? spot : null;
  if (!inside) {
    return (
      <div class="readout" data-readout="">
        <p class="sub">{hint}</p>
        <p class="sub">&nbsp;</p>
      </div>
    );
  }
  const { query, key } = inside;
  const row = rowOf(map, query);
  return (
    <div
      class="readout"
      data-readout=""
      data-query={query}
      data-key={key ?? undefined}
      data-value={key === null ? undefined : String(weightAt(map, query, key))}
      data-sum={row.sum}
    >
      <p class="row-line">
        <span class="told">
          {map.queries > 1 && (
            <>
              {words.row(query)} <Token>{queryName(map, query)}</Token>
            </>
          )}
          {" → "}
          {row.top.map((cell, index) => (
            <span key={cell.key}>
              {index > 0 && " · "}
              <bdi>{middle(keyName(map, cell.key), LETTERS)}</bdi> {short(cell.weight)}
            </span>
          ))}
        </span>
        <span class="sum">Σ = {row.sum.toFixed(2)}</span>
      </p>
      <p>{key === null ? <>&nbsp;</> : <Cell map={map} query={query} key_={key} />}</p>
    </div>
  );
}

function Cell({ map, query, key_ }: { map: HeadMap; query: number; key_: number }) {
  const words = t.value.attention;
  const value = weightAt(map, query, key_);
  return (
    <>
      <span class="sub">{words.cell(query, key_)} </span>
      {map.queries > 1 && <bdi>{middle(queryName(map, query), LETTERS)} → </bdi>}
      <Token>{keyName(map, key_)}</Token>{" "}
      {isAllowed(map, query, key_) ? <b>{sure(value, map.stored?.max_error)}</b> : words.notAllowed}
    </>
  );
}

function Token({ children }: { children: string }) {
  return (
    <b>
      <bdi title={children}>{middle(children, LETTERS)}</bdi>
    </b>
  );
}
