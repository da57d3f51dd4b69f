"""``limelight doctor``: what works in this environment, and what is wrong with a recording."""

from limelight.apps.doctor.findings import Finding as Finding
from limelight.apps.doctor.findings import environment as environment
from limelight.apps.doctor.findings import prove as prove
from limelight.apps.doctor.findings import recordings as recordings
