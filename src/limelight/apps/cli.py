"""The command line: ``limelight demo``, ``show``, ``ls``, ``study``, ``catalogue``, ``doctor``.

Room: apps. Comes in: words. Goes out: text for people, or JSON; an exit status: 0 done, 1 no or
failed, 2 bad usage. What a command needs is imported when it runs, so that help comes at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from limelight import __version__
from limelight.errors import LimelightError

#: What a case says of itself in JSON.
_FIELDS = ("name", "title", "shows", "data", "seconds", "memory_mb", "runs",
           "brief", "whole_seconds")  # fmt: skip


class _OneLine(click.Group):
    """Commands whose every error is one line on standard error."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and leave with its exit status."""
        kwargs["standalone_mode"] = False
        try:
            status = super().main(*args, **kwargs)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "limelight"
            _fail(f"{error.format_message()} See: {command} --help", 2)
        except click.ClickException as error:
            _fail(error.format_message(), 1)
        except LimelightError as error:
            _fail(str(error), 1)
        except (click.Abort, KeyboardInterrupt):
            _fail("Stopped.", 1)
        except BrokenPipeError:  # `limelight ls | head` has read enough
            sys.stdout = None  # nothing more to flush
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"limelight: {' '.join(message.split())}", err=True)
    sys.exit(status)


@click.group(
    cls=_OneLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="limelight")
@click.pass_context
def main(context: click.Context) -> None:
    """Watch attention and parameters in TensorBoard."""
    if context.invoked_subcommand is None:
        names = ", ".join(sorted(_OneLine.list_commands(main, context)))
        raise click.UsageError(f"Missing command: one of {names}.", context)


def _known_cases(_context: click.Context, _option: click.Parameter, names: Sequence[str]) -> Any:
    from limelight.catalogue import cases

    known = cases()
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names)]


@main.command()
@click.option("--case", "cases", multiple=True, metavar="NAME", callback=_known_cases,
              help="A case to train, as `limelight cases` names it; may be repeated. "
              "All of them if not given, of cases with many runs only some.")  # fmt: skip
@click.option("--logdir", type=click.Path(path_type=Path), default=Path("logs"),
              show_default=True, help="Where to record.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535),
              help="Port of TensorBoard.  [default: 6006, or the next free one]")  # fmt: skip
@click.option("--no-serve", is_flag=True, help="Only train and record; start no TensorBoard.")
@click.option("--size", type=click.FloatRange(0, 1, min_open=True), default=1.0,
              show_default=True, help="Share of the training steps to do.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True,
              help="How often to train each run of the cases that compare runs, from other random "
              "numbers; 5 give intervals.")  # fmt: skip
def demo(
    cases: list[Any], logdir: Path, port: int | None, no_serve: bool, size: float, seeds: int
) -> int:
    """Train worked cases on real data and watch them in TensorBoard."""
    from limelight.apps import demo as app
    from limelight.catalogue import cases as known

    if not cases:
        cases = [case.in_brief() if seeds == 1 else case for case in known().values()]
    return app.demo(cases, logdir, port=port, serve=not no_serve, size=size, seeds=seeds)


@main.command()
@click.argument("logdir", type=click.Path(path_type=Path))
@click.option("--model", metavar="MODULE:FUNCTION",
              help="A model that sentences typed on the screen are run through: the function "
              "returns it, or a tuple of it and a tokenizer, inputs, or both.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535),
              help="Where to serve.  [default: 6006, or the next free one]")  # fmt: skip
def show(logdir: Path, model: str | None, port: int | None) -> int:
    """Show the runs in LOGDIR without TensorBoard, to this machine alone."""
    from limelight.apps.show import show as app

    return app(logdir, model=model, port=port)


@main.command("cases")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_cases(as_json: bool) -> None:
    """List the worked cases: what each shows, its data, time and memory."""
    from limelight.catalogue import cases

    known = list(cases().values())
    if as_json:
        _write_json({"cases": [{name: getattr(case, name) for name in _FIELDS} for case in known]})
        return
    for case in known:
        click.echo(f"{case.name}: {case.title}, {case.seconds} s, {case.memory_mb} MB")
        if case.brief:
            click.echo(
                f"    All of its runs, which --case {case.name} trains: {case.whole_seconds} s"
            )
        click.echo(f"    {case.shows}\n    Data: {case.data}\n    Runs: {', '.join(case.runs)}")


@main.command("ls")
@click.argument("logdir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_runs(logdir: Path, as_json: bool) -> int:
    """List the runs recorded in LOGDIR: steps, sites, sizes, problems."""
    from limelight.apps import listing

    runs = listing.list_runs(logdir)
    if as_json:
        _write_json({"runs": runs})
    elif not runs:
        click.echo(f"limelight: {logdir} holds no run recorded by limelight. "
                   "Record one: limelight demo", err=True)  # fmt: skip
    else:
        for run in runs:
            _write_run(run)
    return 0 if runs else 1


def _write_run(run: dict[str, Any]) -> None:
    from limelight.apps.listing import bytes_in_words

    size = bytes_in_words(run["bytes"])
    if "steps" in run:
        span = f" ({run['first_step']} to {run['last_step']})" if run["steps"] else ""
        counts = [_count(run[f"{thing}s"], thing) for thing in ("step", "example", "parameter")]
        counts[0] += span
        _say(f"{run['name']}: {', '.join(counts)}, {size}")
        for site in run["sites"]:
            shape = f"{_count(site['heads'], 'head')}, {site['queries']} x {site['keys']}"
            _say(f"    {site['name']}: {site['module_class']}, {site['kind']}, {shape}")
        for item in run["studies"]:
            progress = (
                "" if item["state"] == "finished" else f", {item['done']} of {item['tasks']} tasks"
            )
            _say(f"    study {item['name']} ({item['key'][:8]}): {item['state']}{progress}, "
                 f"n = {item['n']} {item['of']}")  # fmt: skip
    else:
        _say(f"{run['name']}: {size}")
    for problem in run["problems"]:
        _say(f"    problem: {problem}")


@main.command("catalogue")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_catalogue(as_json: bool) -> None:
    """List measures and studies: what each answers, its tier and units."""
    from limelight.apps import studying

    cards = studying.listed()
    if as_json:
        _write_json({"cards": cards})
        return
    for card in cards:
        numbers = f" ({', '.join(card['answers'])})" if card["answers"] else ""
        click.echo(f"{card['name']}: {card['kind']}{numbers}, {card['tier']}, {card['units']}")
        click.echo(f"    {card['question']}")


class _Lazy(click.Group):
    """Studies, which are imported when one is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        from limelight.apps.studying import Studies

        return Studies().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        from limelight.apps.studying import Studies

        return Studies().get_command(context, name)


@main.group("study", cls=_Lazy, invoke_without_command=True)
@click.pass_context
def study(context: click.Context) -> None:
    """Run a study of a model; without a name, list them."""
    if context.invoked_subcommand is None:
        from limelight.catalogue import studies

        for name, card in studies().items():
            click.echo(f"{name}: {', '.join(card.answers)}, {card.tier}\n    {card.question}")


@main.command()
@click.argument("logdir", type=click.Path(path_type=Path), required=False)
@click.option("--mend", is_flag=True,
              help="Put steps back first that a recording's index has lost.")  # fmt: skip
@click.option("--model", metavar="MODULE:FUNCTION",
              help="List every softmax of the model that the function returns, or of the model and "
              "inputs: what it is taken for, and why or why not.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def doctor(logdir: Path | None, mend: bool, model: str | None, as_json: bool) -> int:
    """Say what works in this environment; with LOGDIR, check its recordings too."""
    from limelight.apps import doctor as app

    if model is not None:
        if logdir is not None or mend:
            raise click.UsageError("--model looks at a model alone: leave LOGDIR and --mend out.")
        table = app.live(model)
        if as_json:
            _write_json(table.to_dict())
        else:
            click.echo(str(table))
        return 0 if all(row.values is None or row.values.agree is not False for row in table) else 1
    checks = [(finding, "environment") for finding in app.environment()]
    if logdir is not None:
        checks += [(finding, "recording") for finding in app.recordings(logdir, mend=mend)]
    elif mend:
        raise click.UsageError("--mend needs LOGDIR, whose recordings are to be mended.")
    ok = all(finding.ok is not False for finding, _ in checks)
    if as_json:
        _write_json({"ok": ok, "checks": [_check(finding, of) for finding, of in checks]})
        return 0 if ok else 1
    signs = {True: "ok  ", None: "–   ", False: "BAD "}
    for finding, _ in checks:
        click.echo(f"{signs[finding.ok]}{finding.what}: {finding.fact}")
        if finding.fix:
            click.echo(f"    {finding.fix}")
    if not ok:
        click.echo("limelight: some checks failed; each says what to do.", err=True)
    return 0 if ok else 1


def _check(finding: Any, of: str) -> dict[str, Any]:
    """Say a finding in JSON, where the fact has been called ``found`` from the first version on."""
    facts = asdict(finding)
    return {"of": of, **{("found" if name == "fact" else name): facts[name] for name in facts}}


def _write_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    click.echo(text.encode("utf-8", "backslashreplace"))  # half an emoji is no UTF-8; \\ud83d is


def _say(line: str) -> None:
    """Write a line that holds what a file says: none of it commands the terminal."""
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
    click.echo(line.encode("utf-8", "backslashreplace").decode())


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


if __name__ == "__main__":
    main()
