"""A browser without a window or a network, and what it tells of a page."""

import re
import shutil
import subprocess

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OFFLINE = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def browse(path, *arguments):
    """Run the browser without a window or a network; returns the page as it stands, and what the browser logged."""
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *OFFLINE,
         "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0",
         f"--user-data-dir={path.parent / 'browser'}", *arguments, path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def loaded(path):
    """The page as it stands, what it logged to the console, and who asked the network; the browser itself asks as no origin."""
    log = path.with_suffix(".network.json")
    dom, logged = browse(path, "--dump-dom", f"--log-net-log={log}")
    initiators = set(re.findall(r'"initiator":"([^"]*)"', log.read_text(encoding="utf-8")))
    return dom, re.findall("CONSOLE.*", logged), initiators - {"not an origin"}
