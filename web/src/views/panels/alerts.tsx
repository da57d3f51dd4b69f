/** What goes wrong, most harm first: rule, number, since when, and what people usually do. */

import type { Table } from "../../answers/table.ts";
import { count } from "../../controls/format.ts";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { axisOver, lineThrough, trend } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { choose, facts } from "../../state/run.ts";
import type { AlertFact } from "../../types.ts";
import { type Alerts, useAlerts, wordsOfRule } from "../parts/alerts.ts";
import { COLUMNS, compact, wordsOfColumn, written } from "../parts/columns.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./alerts.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "alerts", order: 1 };

const say = spoken({
  en: {
    alerts: "Alerts",
    most: (n: string) => `${n}, most harm first`,
    none: "none",
    steps: (from: string, to: string) => `steps ${from} – ${to}`,
    at: (step: string) => `step ${step}`,
    since: (from: string) => `since step ${from}`,
    worst: (n: string, worst: string) => `${n} tensors; worst ${worst}`,
    now: (value: string) => `now ${value}`,
    rule: "rule: ",
    usually: "usually: ",
    quiet: "Looked for, not found",
    lacking: "Not looked for: not recorded",
    open: (title: string, step: string) => `${title}: go to step ${step}`,
  },
  zh: {
    alerts: "警报",
    most: (n) => `${n} 条，危害最大者在前`,
    none: "无",
    steps: (from, to) => `第 ${from} – ${to} 步`,
    at: (step) => `第 ${step} 步`,
    since: (from) => `自第 ${from} 步`,
    worst: (n, worst) => `${n} 个张量；最严重 ${worst}`,
    now: (value) => `当前 ${value}`,
    rule: "规则：",
    usually: "通常：",
    quiet: "已检查，未发现",
    lacking: "未检查：没有记录",
    open: (title, step) => `${title}：转到第 ${step} 步`,
  },
});

export default function AlertRail() {
  const words = say();
  const known = useAlerts();
  // A server that knows no rules is silent about them: silence would be taken for health.
  if (!known || known.alerts.length + known.quiet.length + known.lacking.length === 0) return null;
  const { alerts, quiet, lacking } = known;
  return (
    <section class="alerts">
      <h2>
        {words.alerts}{" "}
        <span class="sub">{alerts.length ? words.most(count(alerts.length)) : words.none}</span>
        <PanelMenu name={words.alerts} table={() => tableOfAlerts(alerts)} python="run.alerts()" />
      </h2>
      {alerts.map((alert) => (
        <Alert key={`${alert.rule} ${alert.since} ${alert.tensors[0]}`} alert={alert} />
      ))}
      <Rules title={words.quiet} rules={quiet} />
      <Rules title={words.lacking} rules={lacking} />
    </section>
  );
}

function tableOfAlerts(alerts: readonly AlertFact[]): Table {
  const columns = ["rule", "kind", "tensor", "number", "value", "threshold", "since", "until"];
  const rows = alerts.flatMap((alert) =>
    (alert.tensors.length > 0 ? alert.tensors : [""]).map((tensor) => [
      alert.rule,
      alert.kind,
      tensor,
      alert.number,
      alert.value,
      alert.threshold,
      alert.since,
      alert.until ?? Number.NaN,
    ]),
  );
  return { columns, rows };
}

function Rules({ title, rules }: { title: string; rules: Alerts["quiet"] }) {
  if (rules.length === 0) return null;
  return (
    <div class="rules">
      <h3>{title}</h3>
      <p>
        {rules.map((rule, at) => (
          <span key={rule} title={wordsOfRule(rule).says}>
            {at > 0 && " · "}
            {wordsOfRule(rule).title}
          </span>
        ))}
      </p>
    </div>
  );
}

/** A value of the number that an alert speaks of. */
function said(alert: AlertFact, value: number): string {
  const column = columnOf(alert) ?? COLUMNS.find(({ number }) => number === alert.number);
  return column ? written(column, value) : compact(value);
}

/** The column that an alert's number is in. */
function columnOf(alert: AlertFact) {
  return COLUMNS.find(
    ({ kind, number }) => number === alert.number && (kind ?? alert.kind) === alert.kind,
  );
}

function Alert({ alert }: { alert: AlertFact }) {
  const words = say();
  const { title, says, usually } = wordsOfRule(alert.rule);
  const [worst = ""] = alert.tensors;
  const column = columnOf(alert);
  const name = wordsOfColumn(column?.name ?? alert.number).title;
  const since =
    alert.until === null
      ? words.since(count(alert.since))
      : alert.until === alert.since
        ? words.at(count(alert.since))
        : words.steps(count(alert.since), count(alert.until));
  return (
    <button
      type="button"
      class="alert"
      data-rule={alert.rule}
      aria-label={words.open(title, count(alert.since))}
      onClick={() => goToAlert(alert)}
    >
      <span class="head">
        <svg width="11" height="10" aria-hidden="true">
          <path d="M5.5,.5l5,9h-10z" />
        </svg>
        <b>{title}</b>
        <span class="sub">{since}</span>
      </span>
      {worst && (
        <bdi>
          {alert.tensors.length > 1 ? words.worst(count(alert.tensors.length), worst) : worst}
        </bdi>
      )}
      {alert.number && (
        <span class="number-of">
          {name} <b>{said(alert, alert.value)}</b>
          {alert.now !== null && alert.until !== null && (
            <span class="sub"> · {words.now(said(alert, alert.now))}</span>
          )}
        </span>
      )}
      <AlertChart alert={alert} />
      <span class="sub words">
        {words.rule}
        {says}
        <br />
        {words.usually}
        {usually}
      </span>
    </button>
  );
}

/** The tensor, the step where it began, and the column: as far as the page has them. */
function goToAlert(alert: AlertFact) {
  const recorded = facts.value?.steps ?? [];
  const column = columnOf(alert);
  const step = recorded.includes(alert.since) ? { step: alert.since, follow: false } : {};
  if (alert.kind === "attention") {
    const [site = "", head = "0"] = (alert.tensors[0] ?? "").split("#");
    choose({ ...step, page: "attention", site, head: Number(head) || 0, colour: alert.number });
    return;
  }
  if (alert.kind === "time") {
    choose({ ...step, curve: "time" });
    return;
  }
  if (!["parameter", "gradient", "update", "activation", "spectrum"].includes(alert.kind)) {
    choose(step);
    return;
  }
  const kind = alert.kind === "activation" ? { kind: "activation" } : { kind: "parameter" };
  const tensors = alert.tensors.slice(0, 1);
  choose({
    ...step,
    ...(tensors.length ? { ...kind, parameters: tensors } : {}),
    ...(column ? { curve: column.usual || column.name === "gradient" ? null : column.name } : {}),
  });
}

const WIDE = 280;
const HIGH = 31;
const BOX = { left: 1, right: WIDE - 1, top: 2, bottom: HIGH - 1 };

/** The number over steps, the rule's line, and where it began; on a log axis where decades matter. */
function AlertChart({ alert }: { alert: AlertFact }) {
  const { steps, threshold } = alert;
  const values = alert.numbers.map((value) => value ?? Number.NaN);
  if (values.filter(Number.isFinite).length < 2) return null;
  const positive = [...values, threshold].filter((value) => value > 0);
  const log = positive.length > 2 && Math.max(...positive) > 100 * Math.min(...positive);
  const domain = axisOver([values, [threshold]], log);
  if (!domain) return null;
  const laid = trend(steps, BOX, domain);
  const at = laid.x(alert.since);
  return (
    <svg viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true">
      <path class="ground" d={`M0,${HIGH - 0.5}H${WIDE}`} />
      <path class="rule" d={`M0,${laid.y(threshold)}H${WIDE}`} />
      <path class="line" d={lineThrough(steps, values, laid)} />
      <path class="since" d={`M${at},0V${HIGH}`} />
    </svg>
  );
}
