"""The read path: a query to one run in, labelled arrays out."""

from limelight.answer.ask import answer as answer
from limelight.answer.extent import extent as extent
