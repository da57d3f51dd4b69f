"""The tab as a person meets it: through its address, its controls and what it says."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from playwright.sync_api import expect

#: Slow machines may take this long, in milliseconds; nothing waits longer than it must.
PATIENCE = 30_000

#: Change the address as a link does; done when the tab has heard of it.
CHANGE = """hash => location.hash === hash || new Promise(done => {
  addEventListener("hashchange", done, { once: true });
  location.hash = hash;
})"""


class Tab:
    """Limelight's tab in TensorBoard, in a page of its own.

    ``complaints`` gathers what no test may cause: errors of scripts, errors in the console,
    dialogs, and requests to anywhere but TensorBoard.
    """

    def __init__(self, page, address):
        self.page = page
        self.address = address
        self.complaints = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("dialog", self._asked)
        page.on("request", self._sent)

    def _heard(self, message):
        if message.type == "error":
            self.complaints.append(f"console: {message.text} ({message.location.get('url')})")

    def _asked(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _sent(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    def forgive(self, words):
        """Forget the complaints that hold some words: those of the very trouble a test makes."""
        self.complaints[:] = [complaint for complaint in self.complaints if words not in complaint]

    # ------------------------------------------------------------------------------- going there

    def open(self, **selection):
        """Show a selection and nothing but it: by the address, as a pasted link would."""
        chosen = [f"p.limelight.{key}={quote(str(value), '')}" for key, value in selection.items()]
        hash_ = "&".join(["#limelight", *chosen])
        if not self.page.url.startswith(self.address):
            return self.go(f"{self.address}/{hash_}")
        self.page.keyboard.press("Escape")
        self.away()
        self.page.evaluate(CHANGE, hash_)
        self.root.evaluate("() => { document.activeElement?.blur(); window.focus() }")
        return self.ready()

    def go(self, url):
        """Open an address afresh."""
        self.page.goto(url, wait_until="domcontentloaded")
        return self.ready()

    def ready(self):
        """Wait until nothing is under way and all is painted."""
        self.inside.locator('#limelight[data-ready="true"]').wait_for(state="attached")
        return self

    @property
    def inside(self):
        """The tab's own document, within TensorBoard's."""
        return self.page.frame_locator('iframe[src*="name=limelight"]')

    @property
    def root(self):
        return self.inside.locator("html")

    @property
    def fragment(self):
        """What the address says of our selection."""
        selection = re.findall(r"p\.limelight\.(\w+)=([^&]*)", self.page.url)
        return dict(selection)

    def see(self, text):
        expect(self.inside.get_by_text(text).first).to_be_visible()

    # --------------------------------------------------------------------------------- controls

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.ready()

    def button(self, name):
        return self.inside.get_by_role("button", name=name, exact=True)

    def click(self, name):
        self.button(name).click()
        return self.ready()

    @property
    def runs(self):
        return self.inside.locator("[aria-labelledby=runs] button")

    def run_titles(self):
        """Names of all runs in the list, read at one moment: the list may change beside it."""
        return self.runs.evaluate_all("rows => rows.map(row => row.title.split(' · ')[0])")

    def run(self, name):
        return self.runs.filter(has=self.inside.get_by_text(name, exact=True))

    @property
    def chosen_run(self):
        return self.inside.locator("[aria-labelledby=runs] button[aria-pressed=true]")

    @property
    def examples(self):
        return self.inside.locator("[aria-labelledby=examples] button")

    @property
    def slider(self):
        return self.inside.locator("input[type=range]")

    def at_step(self, step):
        expect(self.slider).to_have_attribute("aria-valuetext", f"step {step}")
        return self.ready()

    def choose(self, name, option):
        self.inside.locator("label.field", has_text=re.compile(f"^{name}")).locator(
            "select"
        ).select_option(option)
        return self.ready()

    # ----------------------------------------------------------------------------------- pictures

    @property
    def grid(self):
        return self.inside.locator("canvas[data-grid]")

    @property
    def map(self):
        return self.inside.locator("canvas[data-box]")

    @property
    def legend(self):
        return self.inside.locator(".chosen .legend")

    @property
    def readout(self):
        return self.inside.locator("[data-readout]")

    def spot(self, query, key):
        """Where a cell of the chosen map lies on its canvas."""
        box = json.loads(self.map.get_attribute("data-box"))
        wide, high = box["width"] / box["columns"], box["height"] / box["rows"]
        x = box["x"] + (key - box["column"] + 0.5) * wide
        y = box["y"] + (query - box["row"] + 0.5) * high
        return {"x": x, "y": y}

    def hover(self, query, key):
        """Point at a cell; return what is said of it."""
        self.map.hover(position=self.spot(query, key))
        return self.said(query, key)

    def said(self, query, key):
        expect(self.readout).to_have_attribute("data-query", str(query))
        expect(self.readout).to_have_attribute("data-key", str(key))
        return float(self.readout.get_attribute("data-value"))

    def pixel(self, position):
        """Where a pixel of the chosen image lies on its canvas."""
        box = json.loads(self.map.get_attribute("data-box"))
        row, column = divmod(position, box["columns"])
        return {"x": (column + 0.5) * box["side"], "y": (row + 0.5) * box["side"]}

    def away(self):
        """Point at nothing of the tab's."""
        self.page.mouse.move(5, 5)

    @property
    def alert(self):
        """What is said to stand in the way."""
        return self.inside.get_by_role("alert")

    def colours(self, canvas):
        """How many colours a canvas shows, after it was painted."""
        return canvas.first.evaluate(
            """canvas => new Set(new Uint32Array(canvas.getContext("2d")
              .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
        )

    def pixels(self, canvas):
        return canvas.first.evaluate("canvas => canvas.toDataURL()")
