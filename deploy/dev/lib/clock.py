"""A time of day that a test moves, for all processes that are started with it."""
import struct
import time


class WallClock:
    """Seconds in a file, added to what the processes read; test/integration/wall_clock.cc."""

    def __init__(self, library, path):
        self._path = path
        self._seconds = 0
        self._write("wb")
        self.argv = ["env", f"LD_PRELOAD={library}", f"MELTEMI_WALL_CLOCK={path}"]

    def jump(self, seconds):
        """At once, for everybody who has mapped the file."""
        self._seconds += seconds
        self._write("r+b")  # in place: a new file would be another clock

    def now(self):
        return time.time() + self._seconds

    def _write(self, mode):
        with open(self._path, mode) as file:
            file.write(struct.pack("=q", self._seconds))
