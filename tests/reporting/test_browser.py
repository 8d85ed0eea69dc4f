"""The page in a real browser: it fits a phone and a desk, asks for nothing, breaks no policy.

The browser is spoken to through its DevTools pipe with the standard library alone, since the
page's own policy forbids every script.
"""

import json
import os
import select
import shutil
import subprocess
import time

import pytest

from vesalius.reporting import render

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WAIT = 60  # seconds for one answer, on a machine that does other things too
QUIET = (
    "--headless", "--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run",
    "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
OVERFLOW = """JSON.stringify({
  page: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
  images: [...document.images].filter(i => !(i.complete && i.naturalWidth)).length,
  scripts: document.scripts.length, styled: getComputedStyle(document.body).marginTop,
  tall: document.documentElement.scrollHeight,
  wide: [...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest('.scroll, .picture, pre')
    && getComputedStyle(e).position !== 'absolute').map(e => e.outerHTML.slice(0, 80))})"""


class Browser:
    """A headless browser at the other end of two pipes; messages are JSON, parted by NUL."""

    def __init__(self, program, folder):
        down_read, self.down = os.pipe()
        self.up, up_write = os.pipe()

        def pipes():
            os.dup2(down_read, 103)
            os.dup2(up_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [program, *QUIET, *sandbox, f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=pipes, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(down_read)
        os.close(up_write)
        self.buffer, self.count, self.events, self.session = b"", 0, [], None

    def ask(self, method, **params):
        """Send one command and return its result; events that come first are kept."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.down, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + WAIT
        while (answer := self._next(deadline)).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def wait_for(self, method):
        """Return when an event has come."""
        deadline = time.monotonic() + WAIT
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next(deadline))

    def open(self, address, *, width, height, dark=False):
        """Load a page in a window of a size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression)["result"]["value"]

    def close(self):
        os.close(self.down)
        self.process.terminate()
        self.process.wait(WAIT)
        os.close(self.up)

    def _next(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.up], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            part = os.read(self.up, 1 << 20)
            assert part, "the browser has gone"
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)


def launch(program, folder):
    """Start a browser and attach to its one window."""
    browser = Browser(program, folder)
    targets = browser.ask("Target.getTargets")["targetInfos"]
    window = next(target["targetId"] for target in targets if target["type"] == "page")
    attached = browser.ask("Target.attachToTarget", targetId=window, flatten=True)
    browser.session = attached["sessionId"]
    for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
        browser.ask(f"{domain}.enable")
    return browser
