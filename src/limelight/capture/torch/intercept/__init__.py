"""Where a torch model attends; below ``attention/``, one file for each kind of attention.

Room: capture, torch. What a file of another package needs is imported from here.
"""

from limelight.capture.torch.intercept.events import Attend as Attend
from limelight.capture.torch.intercept.events import Softmax as Softmax
from limelight.capture.torch.intercept.kernel import Kernel as Kernel
