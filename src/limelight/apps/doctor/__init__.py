"""``limelight doctor``: what works here, what is wrong with a recording, what a model shows."""

from limelight.apps.doctor.finding import Finding as Finding
from limelight.apps.doctor.installed import environment as environment
from limelight.apps.doctor.installed import prove as prove
from limelight.apps.doctor.live import live as live
from limelight.apps.doctor.recorded import recordings as recordings
