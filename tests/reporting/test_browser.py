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
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vesalius.reporting import render

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WAIT = 60  # seconds for one answer, on a machine that does other things too
QUIET = (
    "--headless", "--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run",
    "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
SEEN = """JSON.stringify({
  page: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
  broken: [...document.images].filter(i => i.complete && !i.naturalWidth).length,
  images: document.images.length, scripts: document.scripts.length,
  ran: typeof window.hostile !== 'undefined', title: document.title,
  wide: [...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !e.closest('.scroll, .picture, pre') && getComputedStyle(e).position !== 'absolute'
  ).map(e => e.outerHTML.slice(0, 80))})"""

RIGHT_EDGE = """(() => {
  const p = document.querySelector('.wide .picture'), r = p.getBoundingClientRect();
  return JSON.stringify({hidden: p.scrollWidth - p.clientWidth,
    clip: {x: r.right - 4, y: r.top + window.scrollY + 12, width: 2, height: r.height - 24}})})()"""


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


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here: the page is not opened in a browser (.ci/run installs one)")
    opened = launch(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def address(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render(page), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 800)])
def test_the_page_fits_its_window_and_runs_nothing(browser, address, width, height, dark):
    browser.open(address, width=width, height=height, dark=dark)
    seen = json.loads(browser.value(SEEN))
    assert seen["page"] <= seen["window"]
    assert seen["wide"] == []
    assert seen["images"] > 10
    assert (seen["broken"], seen["scripts"], seen["ran"]) == (0, 0, False)
    assert "IU X-ray" in seen["title"]


def test_the_page_asks_for_nothing_and_breaks_no_policy(browser, address):
    browser.open(address, width=1280, height=900)
    browser.value("window.scrollTo(0, document.documentElement.scrollHeight); 0")
    time.sleep(0.5)
    browser.ask("Runtime.evaluate", expression="1")  # what came meanwhile is now among the events
    asked = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1
    loud = [e for e in browser.events if e.get("method") in ("Log.entryAdded", "Audits.issueAdded")]
    assert loud == []


def test_the_policy_stops_what_would_run(browser, address):
    browser.open(address, width=1280, height=900)
    browser.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.hostile = 1';"
        "document.body.append(s); return 0 })()"
    )
    assert json.loads(browser.value(SEEN))["ran"] is False


def test_a_wide_figure_shows_on_a_phone_that_it_goes_on(browser, address):
    browser.open(address, width=390, height=800)
    edge = json.loads(browser.value(RIGHT_EDGE))
    assert edge["hidden"] > 20

    def greys(scrolled):
        browser.value(f"document.querySelector('.wide .picture').scrollLeft = {scrolled}; 0")
        shot = browser.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                           clip={**edge["clip"], "scale": 1})  # fmt: skip
        return np.asarray(Image.open(BytesIO(b64decode(shot["data"]))).convert("L"))

    assert greys(0).max() < 235
    assert greys(edge["hidden"]).min() > 250
