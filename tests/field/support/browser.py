# SPDX-License-Identifier: Apache-2.0
"""Debian's chromium, driven by its DevTools protocol through a pair of pipes.

It gets no network: every request but of file: pages is a failure of the test, and so is a line on
its console.
"""
import base64
import fcntl
import glob
import json
import os
import shutil
import subprocess
import tempfile

from lib.patience import wait_for

CHROMIUM = shutil.which("chromium")
MOUSE = {"button": "left", "clickCount": 1, "buttons": 1}


def descendants_of(pid):
    found, unseen = [], [pid]
    while unseen:
        parent = unseen.pop()
        for task in glob.glob(f"/proc/{parent}/task/*/children"):
            with open(task, encoding="ascii") as file:
                unseen += map(int, file.read().split())
        found.append(parent)
    return found


class Browser:
    def __init__(self, script=True):
        self.folder = tempfile.TemporaryDirectory()
        to_child, self._commands = os.pipe()
        self._answers, from_child = os.pipe()

        def place():  # the child finds its ends at 3 and 4
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_child, from_child)]
            for number, end in zip((3, 4), ends):
                os.dup2(end, number)

        self._process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions",
             "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={self.folder.name}",
             "about:blank"],
            close_fds=False, preexec_fn=place, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self._buffer = b""
        self._last = 0
        self.messages = []  # of the console
        self.requests = []  # addresses
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self._call("Target.attachToTarget", targetId=target,
                                   flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        if not script:
            self._call("Emulation.setScriptExecutionDisabled", value=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        processes = descendants_of(self._process.pid)
        self._process.kill()
        self._process.wait()
        # They write to the folder until they notice that.
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in processes),
                 "the end of chromium's processes")
        os.close(self._commands)
        os.close(self._answers)
        self.folder.cleanup()

    def _call(self, method, **params):
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _read(self):
        while b"\0" not in self._buffer:
            read = os.read(self._answers, 1 << 20)
            assert read, "chromium ended"
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(line)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.messages.append(params["args"])
        elif method == "Runtime.exceptionThrown":
            self.messages.append(params["exceptionDetails"])
        elif method == "Log.entryAdded":
            self.messages.append(params["entry"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        return message

    def open(self, path, width=1280, height=900, dark=False):
        self.size(width, height)
        self._call("Emulation.setEmulatedMedia",
                   features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._loaded = False
        self.requests.clear()
        self._call("Page.navigate", url=f"file://{os.path.abspath(path)}")
        while not self._loaded:
            self._read()

    def size(self, width, height, scale=1):
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=scale, mobile=False)

    def run(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True,
                            awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def after_frames(self):
        """Waits until what was asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **MOUSE)
        self.after_frames()

    def press(self, *keys):
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {"windowsVirtualKeyCode": 8} if key == "Backspace" else {}
            self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)
        self.after_frames()

    def type(self, text):
        self._call("Input.insertText", text=text)
        self.after_frames()

    def document_text(self):
        """The text of the page, also of closed details; works without script, too."""
        root = self._call("DOM.getDocument", depth=0)["root"]
        body = self._call("DOM.querySelector", nodeId=root["nodeId"], selector="body")["nodeId"]
        nodes = [self._call("DOM.describeNode", nodeId=body, depth=-1)["node"]]
        parts = []
        while nodes:
            node = nodes.pop()
            if node["nodeType"] == 3:
                parts.append(node["nodeValue"])
            elif node["nodeName"] != "SCRIPT":
                nodes += reversed(node.get("children", []))
        return "".join(parts)

    def page_process(self):
        """The process that shows the page. Chromium has others of that kind, for its own windows
        and in reserve: it is the one that uses the CPU while the page's script does.
        """
        def used():
            times = {}
            for pid in descendants_of(self._process.pid):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        shows_pages = b"--type=renderer" in file.read()
                    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                        times[pid] = int(file.read().rpartition(")")[2].split()[11])
                except OSError:
                    continue  # it has ended
                if not shows_pages:
                    del times[pid]
            return times

        before = used()
        self.run("(() => { const end = performance.now() + 300;"
                 "while (performance.now() < end); })()")
        return max(used().items(), key=lambda entry: entry[1] - before.get(entry[0], 0))[0]

    def page_process_bytes(self, pid):
        """Its memory, with its part of what it shares with others (PSS)."""
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))

    def heap_bytes(self):
        return self._call("Runtime.getHeapUsage")["usedSize"]

    def picture(self, path, clip=None):
        params = {"clip": {**clip, "scale": 1}} if clip else {}
        data = self._call("Page.captureScreenshot", captureBeyondViewport=clip is not None, **params)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
