"""The pages that people see: plain files, and headers under which nothing foreign runs in them."""

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

ASSETS_PATH: Final = "/assets"

_STATIC: Final = Path(__file__).parent / "desk" / "static"
_HEADERS: Final = {
    # Scripts and styles are files of ours: whatever else got into a page would not run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; media-src 'self' blob:; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), speaker-selection=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A new release must not meet the scripts of the old one; unchanged files cost a 304.
    "Cache-Control": "no-cache",
}


class _Assets(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_HEADERS)
        return response


def mount_assets(app: FastAPI) -> None:
    """Serve scripts, styles and pictures under /assets; pages themselves are their doors'."""
    app.mount(ASSETS_PATH, _Assets(directory=_STATIC), name="assets")


def page(name: str) -> FileResponse:
    """The page in this file, with its headers."""
    return FileResponse(_STATIC / name, media_type="text/html; charset=utf-8", headers=_HEADERS)
