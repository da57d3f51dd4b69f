"""Rules that say when a training goes wrong, one file each.

Room: beside the analyses. Comes in: numbers of a recording over its steps. Goes out: alerts. A rule
is a pure function of what was recorded: it judges a run that is read, and the newest steps of one
that is being recorded. Found by looking into this folder; what they share is in ``judging/``.
"""
