"""What is wrong with a running hub, and how to mend it (``hub doctor``)."""

from hub.doctor.command import app as app
