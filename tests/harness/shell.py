"""Running command line clients."""

import subprocess


class Done:
    """A command that ended: its status, and stdout and stderr as text."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def everything(self):
        return self.out + self.err


def run(*arguments, check=True, **options):
    """Runs a command; a status other than 0 fails the test unless `check` is off."""
    arguments = [str(a) for a in arguments]
    done = Done(subprocess.run(arguments, capture_output=True, text=True, timeout=600, **options))
    assert not check or done.status == 0, f"{' '.join(arguments)} ended with {done.status}:\n{done.everything}"
    return done
