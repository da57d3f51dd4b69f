"""What answers say beside their arrays, as JSON holds it.

Room: lowest. Comes in: nothing. Goes out: types. The answers and the plugin's catalogue are built
as these, and ``contract.py`` writes them in TypeScript: a class's docstring and the text beside a
type become comments there.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

#: Kind of an attention site.
Kind = Literal["self", "cross", "pooling", "feature"]

#: Rows and columns that positions form.
Layout = tuple[int, int]


class Problem(TypedDict):
    """An error as the plugin sends it."""

    code: Annotated[str, "Which kind of error it is."]
    came: Annotated[str, "What was given or found."]
    wanted: Annotated[str, "What would have been right."]
    fix: Annotated[str, "What to do now."]


class Words(TypedDict):
    """A measure's words in one language."""

    title: str
    answers: str


class Analysis(TypedDict):
    """What an analysis says of itself; text bounds are formulas in the sizes of dims."""

    name: str
    title: str
    answers: str
    zh: Words
    units: str
    bounds: tuple[float | str, float | str]
    kinds: list[Kind]
    tier: str
    leaves_out: Annotated[str, "Which queries have no number; empty: none."]


class RunCard(TypedDict):
    """What the catalogue says of a run."""

    name: str
    steps: int
    first_step: int | None
    last_step: int | None
    attention: bool
    parameters: bool
    written: Annotated[float, "Unix seconds of the newest published step."]
    studied: Annotated[float, "Unix seconds when a study of it last changed; 0: it has none."]
    order: Annotated[int, "Its rank in TensorBoard's list, which gives it TensorBoard's colour."]
    set_aside: Annotated[
        bool, "An earlier history of its folder, before training began anew there."
    ]
    problem: Problem | None


class Catalogue(TypedDict):
    """What there is to look at."""

    version: str
    schema: int
    analyses: list[Analysis]
    runs: list[RunCard]


class Site(TypedDict):
    """One attention module in one role."""

    name: str
    module: str
    kind: Kind
    module_class: str
    reading: Annotated[str, "How its axes were read, where another reading remains; else empty."]
    stage: Annotated[str, "What is shown, where it is not the plain softmax; else empty."]
    heads: int
    queries: int
    keys: int
    query_layout: Layout | None
    key_layout: Layout | None


class Example(TypedDict):
    """One input of the probe."""

    index: int
    title: str
    tokens: list[str] | None
    label: str | float | None
    image: bool


class Parameter(TypedDict):
    """One of the model's own parameters."""

    name: str
    module: str
    shape: str
    size: int
    trainable: Annotated[bool, "False: frozen, training leaves it as it is."]


class SiteChange(TypedDict):
    """From a step on, till the next change, the model has other sites than before."""

    step: int
    forms: Annotated[list[int], "Ordinals in `forms`, in the order the sites run."]


class Precision(TypedDict):
    """How weights are stored."""

    name: str
    max_error: Annotated[float, "How far a stored weight may be from its own value."]


class RunFacts(TypedDict):
    """The attributes of the answer to ``what: "run"``."""

    run: str
    schema: int
    precision: Precision
    sites: Annotated[list[Site], "Every site, each as the newest step that has it has it."]
    forms: Annotated[list[Site], "Each site in every size it had; empty where none ever changed."]
    changes: Annotated[list[SiteChange], "Ascending; empty where none ever changed."]
    examples: list[Example]
    parameters: list[Parameter]
    kinds: Annotated[list[str], "Of tensors: `parameter`, `gradient` …, as far as recorded."]
    problems: list[str]


class AlertFact(TypedDict):
    """Something that goes wrong in a run, or went."""

    rule: Annotated[str, "Its words are in `RULES`."]
    kind: Annotated[str, "Of which tensors: `parameter`, `gradient` …, `attention` or `setup`."]
    tensors: Annotated[list[str], "Worst first; of attention `site#head`."]
    number: Annotated[str, "The column it speaks of."]
    value: Annotated[float, "The worst."]
    threshold: float
    since: Annotated[int, "The first step that breaks the rule."]
    until: Annotated[int | None, "The last one; null where the newest does."]
    now: Annotated[float | None, "The worst tensor's value at the newest step."]
    steps: list[int]
    numbers: Annotated[list[float | None], "Of the worst tensor at these steps, at most 60."]
    harm: Annotated[int, "Greater is worse."]


class AlertFacts(TypedDict):
    """The attributes of the answer to ``what: "alerts"``."""

    alerts: Annotated[list[AlertFact], "Most harm first."]
    quiet: Annotated[list[str], "Rules that ran and found nothing."]
    lacking: Annotated[list[str], "Rules that could not run, for want of what was recorded."]


class StudyFact(TypedDict):
    """A study of a run: what was asked, and how far it is."""

    name: Annotated[str, "Of the study, such as `ablation`."]
    key: Annotated[str, "Names it in the question `study`."]
    settings: Annotated[dict[str, str], "What was asked with it; names to values as text."]
    n: Annotated[int, "Units that its numbers rest on so far."]
    of: Annotated[str, "What a unit is, such as `examples`."]
    state: Literal["running", "finished", "stopped"]
    done: Annotated[int, "Tasks done."]
    tasks: Annotated[int, "Tasks in all."]
    tier: Annotated[str, "What its numbers may claim: `observed`, `gradient-attributed` …"]
    sentence: Annotated[str, "All of it as a sentence for a paper; why, where it stopped."]
    created: Annotated[float, "Unix seconds when it began."]


class StudiesFacts(TypedDict):
    """The attributes of the answer to ``what: "studies"``."""

    studies: Annotated[list[StudyFact], "Oldest first."]


class RuleWords(TypedDict):
    """A rule's words in one language."""

    title: Annotated[str, "What went wrong, in a few words."]
    says: Annotated[str, "The rule with its number."]
    usually: Annotated[str, "What people usually do."]


class RuleCard(TypedDict):
    """What a rule of alerts says of itself."""

    en: RuleWords
    zh: RuleWords
