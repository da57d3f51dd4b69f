"""``limelight doctor``: what works in this environment, and what is wrong with a recording."""

from limelight.apps.doctor.finding import Finding as Finding
from limelight.apps.doctor.installed import environment as environment
from limelight.apps.doctor.installed import prove as prove
from limelight.apps.doctor.recorded import recordings as recordings
