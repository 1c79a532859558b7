"""The dashboard's widget in a browser: how it looks, what strangers' texts do to it, and what a click sends.

The pages come from the widget's own code (`make test ONLY=widget` has it write them). Screenshots for a person to look at: target/widget."""

import json
import os
import tempfile
import unittest
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from console import Console

ROOT = Path(__file__).resolve().parents[2]
PAGES = Path(os.environ.get("WIDGET_PAGES", ROOT / "target" / "widget" / "pages"))
SCREENSHOTS = ROOT / "target" / "widget"
WHERE = json.loads((ROOT / ".venv" / "widget" / "browser.json").read_text())
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
)
# The contrast that WCAG asks for at level AA.
CONTRAST_LEAST = 4.5
# The color of each text, against the first background behind it that is not clear.
CONTRASTS = """
const parts = color => color.match(/[\\d.]+/g).map(Number)
const light = color => {
  const [r, g, b] = parts(color).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  return .2126 * r + .7152 * g + .0722 * b
}
const behind = node => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor
    if (parts(color).length < 4 || parts(color)[3] > 0) return color
  }
  return 'rgb(255, 255, 255)'
}
const texts = document.createTreeWalker(document.getElementById('widget'), NodeFilter.SHOW_TEXT)
const found = []
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement
  if (!texts.currentNode.data.trim() || node.closest('style, cwdb-action, svg')) continue
  const [a, b] = [light(getComputedStyle(node).color), light(behind(node))]
  found.push([texts.currentNode.data.slice(0, 40), (Math.max(a, b) + .05) / (Math.min(a, b) + .05)])
}
return found
"""
# Elements that stick out of the widget, and labels of the drawing that lie on one another.
OVERLAPS = """
const whole = document.getElementById('widget').getBoundingClientRect()
const found = []
for (const node of document.querySelectorAll('#widget .driftless *')) {
  const box = node.getBoundingClientRect()
  if (box.width && (box.right > whole.right + 1 || box.left < whole.left - 1)) found.push(node.outerHTML.slice(0, 80))
}
const labels = [...document.querySelectorAll('#widget svg text')].map(node => [node.textContent, node.getBoundingClientRect()])
labels.forEach(([one, a], position) => labels.slice(position + 1).forEach(([other, b]) => {
  if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3) found.push(one + ' on ' + other)
}))
return found
"""


class InABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.console = Console(PAGES)
        cls.profile = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        options.binary_location = WHERE["browser"]
        for flag in (*FLAGS, f"--user-data-dir={cls.profile.name}"):
            options.add_argument(flag)
        environment = {**os.environ, **({"LD_LIBRARY_PATH": ":".join(WHERE["libraries"])} if WHERE["libraries"] else {})}
        service = webdriver.ChromeService(executable_path=WHERE["driver"], env=environment)
        cls.browser = webdriver.Chrome(options=options, service=service)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.console.close()
        cls.profile.cleanup()

    def show(self, width=1180, **asked):
        self.console.calls.clear()
        self.browser.set_window_size(width, 900)
        self.browser.get(self.console.url(**asked))
        self.wait_for_page(1)

    def wait_for_page(self, number):
        WebDriverWait(self.browser, 10).until(lambda b: b.execute_script("return document.body.dataset.shown") == str(number))

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self):
        return self.one("#widget").text

    def keep(self, name):
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        self.browser.set_window_size(self.browser.get_window_size()["width"], max(height + 40, 300))
        self.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def button(self, label):
        return next(a for a in self.browser.find_elements(By.CSS_SELECTOR, "#widget a.order") if a.text == label)


class Looks(InABrowser):
    def test_pages_are_readable_in_both_themes_and_nothing_sticks_out(self):
        for theme in ("light", "dark"):
            for fleet in (None, "half-way", "needs-operator", "breaker-open", "frozen", "rolled-back", "misconfigured", "hostile"):
                with self.subTest(fleet=fleet, theme=theme):
                    self.show(theme=theme, **({"fleet": fleet} if fleet else {}))
                    self.keep(f"{fleet or 'all'}-{theme}")
                    weak = [(text, round(contrast, 1)) for text, contrast in self.browser.execute_script(CONTRASTS) if contrast < CONTRAST_LEAST]
                    self.assertEqual(weak, [])
                    self.assertEqual(self.browser.execute_script(OVERLAPS), [])

    def test_a_narrow_widget_is_readable_too(self):
        for fleet in ("narrow", "hostile"):
            with self.subTest(fleet):
                self.show(width=560, theme="light", fleet=fleet)
                self.keep("narrow" if fleet == "narrow" else f"{fleet}-narrow")
                self.assertEqual(self.browser.execute_script(OVERLAPS), [])

    def test_a_fleet_in_full_says_what_on_call_asks(self):
        self.show(theme="light", fleet="half-way")
        text = self.text()
        for said in ("BLUE, live", "GREEN, idle", "50 %", "healthy", "time left", "by one write to the load balancer", "driftless rollback "):
            self.assertIn(said, text)
        self.assertTrue(self.browser.find_elements(By.CSS_SELECTOR, "#widget svg rect.bar"))

    def test_a_link_leads_to_a_fleet_and_back(self):
        self.show(theme="dark")
        next(a for a in self.browser.find_elements(By.CSS_SELECTOR, "a.link") if a.text == "half-way").click()
        self.wait_for_page(2)
        self.assertIn("by one write to the load balancer", self.text())
        self.one("a.link").click()
        self.wait_for_page(3)
        self.assertEqual([{k: v for k, v in event.items() if k != "widgetContext"} for _, event in self.console.calls], [{}, {"fleet": "half-way"}, {}])


class Strangers(InABrowser):
    def test_their_texts_are_texts(self):
        # What the console strips is left in: only what is escaped is harmless.
        for fleet in ("hostile", "hostile-all"):
            for strip in ("no", "yes"):
                with self.subTest(fleet=fleet, strip=strip):
                    self.show(theme="light", fleet=fleet, strip=strip)
                    self.assertIsNone(self.browser.execute_script("return window.owned"))
                    for stranger in ("img", "script", "iframe", "b b", "[onclick]", "[onerror]"):
                        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, f"#widget .driftless {stranger}"), [], stranger)
                    self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, "#widget > .driftless")), 1)
                    for said in ('<img src=x onerror="window.owned=1">', "</cwdb-action></div><script>window.owned=2</script>", "gnp.exe $(reboot); `id`"):
                        self.assertIn(said, self.text())
                    self.assertNotIn("\u202e", self.text())
                    commands = [code.text for code in self.browser.find_elements(By.CSS_SELECTOR, "#widget code")]
                    self.assertEqual([command for command in commands if "$(" in command or "<" in command], [])

    def test_a_confirmation_shows_them_and_the_order_does_not_hold_them(self):
        self.show(theme="light", fleet="hostile", strip="no")
        self.button("Retry").click()
        self.assertIn("</cwdb-action></div><script>window.owned=2</script>", self.one("#question").text)
        self.one("#yes").click()
        self.wait_for_page(2)
        [order] = self.console.orders()
        self.assertEqual(set(order), {"request", "reason", "action", "widgetContext"})
        self.assertEqual(order["reason"], "from the dashboard")
        self.assertIsNone(self.browser.execute_script("return window.owned"))


class Clicks(InABrowser):
    def test_a_click_that_is_confirmed_sends_the_order(self):
        self.show(theme="light", fleet="half-way")
        self.button("Roll back").click()
        self.assertEqual(self.console.orders(), [], "nothing is sent before it is confirmed")
        self.assertIn("Roll back: half-way", self.one("#question").text)
        self.browser.save_screenshot(str(SCREENSHOTS / "confirmation.png"))
        self.one("#yes").click()
        self.wait_for_page(2)
        [order] = self.console.orders()
        self.assertEqual(order["action"], {"command": {"fleet": "half-way", "command": {"command": "rollback"}}})
        self.assertRegex(order["request"], r"^dashboard-roll-back-\d+$")
        self.assertEqual(order["widgetContext"]["theme"], "light")
        self.assertIn("Done", self.one("#answer").text)
        self.browser.save_screenshot(str(SCREENSHOTS / "receipt.png"))

    def test_a_click_that_is_declined_sends_nothing(self):
        self.show(theme="light", fleet="half-way")
        for label in ("Roll back", "Pause", "Promote", "Freeze"):
            with self.subTest(label):
                self.button(label).click()
                self.one("#no").click()
        self.assertEqual(self.console.orders(), [])

    def test_the_same_click_twice_is_the_same_order(self):
        self.show(theme="dark", fleet="half-way")
        for page in (2, 3):
            self.button("Freeze").click()
            self.one("#yes").click()
            self.wait_for_page(page)
            self.one("#close").click()
        first, second = self.console.orders()
        self.assertEqual(first, second)
        self.assertEqual(first["action"], {"freeze": {"scope": {"fleet": "half-way"}}})


if __name__ == "__main__":
    unittest.main()
