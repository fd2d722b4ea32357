"""Headless Chromium whose microphone says what a test wants, when it wants."""

import base64
import io
import shutil
import wave
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
from playwright.async_api import Browser as AsyncBrowser
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Chromium's own fake microphone beeps; this one is silent until `say`, as a person is.
MICROPHONE = """
if (navigator.mediaDevices) {
const context = new AudioContext();
const output = context.createMediaStreamDestination();
const hum = context.createConstantSource();
hum.offset.value = 0;
hum.connect(output);
hum.start();
navigator.mediaDevices.getUserMedia = async () => {
  await context.resume();
  return output.stream.clone();
};
window.say = async (wav) => {
  const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
  const source = context.createBufferSource();
  source.buffer = await context.decodeAudioData(bytes.buffer);
  source.connect(output);
  source.start();
  await new Promise((resolve) => { source.onended = resolve; });
};
}
"""


@contextmanager
def chromium(program: Path | None = None) -> Generator[Browser, None, None]:
    """The system's Chromium, closed at the end."""
    found = program or shutil.which("chromium")
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@asynccontextmanager
async def async_chromium(program: Path) -> AsyncGenerator[AsyncBrowser]:
    """The same for tests that await."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


def give_microphone(page: Page) -> None:
    """Let `say` be this page's microphone; before it is opened."""
    page.add_init_script(MICROPHONE)


def until(condition: str) -> str:
    """JavaScript that resolves once `condition` holds, for `page.evaluate`.

    Playwright's wait_for_function evaluates its text in the page again and again, which the pages'
    content security policy forbids, and reports as the page's fault.
    """
    return f"""new Promise((resolve) => {{
      const look = () => ({condition}) ? resolve() : setTimeout(look, 50);
      look();
    }})"""


def say(page: Page, pcm: np.ndarray) -> None:
    """Speak int16, 8 kHz, into the microphone; returns when it is said."""
    page.evaluate("(wav) => window.say(wav)", base64.b64encode(_wav(pcm)).decode())


def _wav(pcm: np.ndarray) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.astype("<i2").tobytes())
    return held.getvalue()
