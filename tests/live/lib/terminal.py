"""A program in a terminal of tmux: keys go in, the screen comes out. Waits for what the screen shows, never for a time."""
import os
import shlex
import subprocess
import time
import uuid

PATIENCE = 60  # seconds without the awaited screen


class Terminal:
    """Runs `command` in a shell; after its end the shell prints its status and the terminal's modes."""

    def __init__(self, command, width=80, height=24, env=None):
        self.socket = f"tcpdwell-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        words = " ".join(shlex.quote(str(word)) for word in command)
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in (env or {}).items())
        script = f"stty -g; env {settings} {words}; status=$?; stty -g; echo ended with $status; exec cat"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "sh", "-c", script)
        self.tmux("set-option", "-g", "set-clipboard", "on")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.socket, *map(str, arguments)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def keys(self, *keys):
        """Names as tmux has them (Down, Enter, C-c); other words are typed."""
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def wait(self, condition, what):
        """Returns the first screen for which condition(screen) holds."""
        deadline = time.monotonic() + PATIENCE
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            assert time.monotonic() < deadline, f"no {what} on the screen:\n{screen}"
            time.sleep(0.05)

    def shows(self, text):
        return self.wait(lambda screen: text in screen, repr(text))

    def shows_no(self, text):
        return self.wait(lambda screen: text not in screen, f"end of {text!r}")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def pid(self, name):
        """Of the program `name` in the terminal."""
        shell = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for child in _children(shell):
                with open(f"/proc/{child}/comm") as comm:
                    if comm.read().strip() == name:
                        return child
            time.sleep(0.05)
        raise AssertionError(f"no {name} in the terminal")

    def is_normal(self):
        """True: neither the alternate screen, nor a hidden cursor."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], stderr=subprocess.DEVNULL, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [int(child) for child in children.read().split()]
    except FileNotFoundError:
        return []
