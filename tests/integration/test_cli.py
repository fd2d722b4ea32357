"""The command line: help everywhere, and faults in one line that says what to do."""

import os
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    (),
    ("demo",),
    ("test",),
    ("check",),
    ("serve",),
    ("call",),
    ("models",),
    ("models", "list"),
    ("models", "pull"),
    ("models", "train", "stt"),
    ("models", "eval", "stt"),
    ("flows",),
    ("flows", "check"),
    ("bench",),
    ("bench", "turns"),
)


def frontdesk(
    *arguments: str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as the script does, in this environment."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def the_one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as it should: status 2, one line, no traceback."""
    assert done.returncode == 2, done.stderr
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(complaints) == 1, done.stderr
    return complaints[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: tuple[str, ...]):
    done = frontdesk(*command, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_models_list_shows_the_bundled_model_and_those_to_pull():
    done = frontdesk("models", "list")
    assert done.returncode == 0
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "bundled" in rows["frontdesk-small"]
    assert "whisper-small" in rows


def test_shipped_flow_is_valid():
    done = frontdesk("flows", "check", "orders")
    assert (done.returncode, "valid" in done.stdout) == (0, True)


def test_faulty_flow_is_named_with_file_and_line(tmp_path: Path):
    flow = tmp_path / "mine.yaml"
    text = (ROOT / "dialog/flows/orders.yaml").read_text()
    flow.write_text(text.replace("- ask: address\n", "- ask: adress\n"))
    number = flow.read_text().splitlines().index("    - ask: adress") + 1
    line = the_one_line(frontdesk("flows", "check", str(flow)))
    assert f"mine.yaml:{number}:" in line
    assert "'address'" in line


def test_sip_port_in_use_is_said_in_one_line(tmp_path: Path, database_url: str):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = serve(tmp_path, database_url, FRONTDESK_SIP__PORT=str(port))
    line = the_one_line(done)
    assert f"SIP cannot listen on 127.0.0.1:{port}" in line
    assert "--sip-port" in line


def test_http_port_in_use_is_said_in_one_line(tmp_path: Path, database_url: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path, database_url, FRONTDESK_HTTP__PORT=str(port))
    line = the_one_line(done)
    assert f"HTTP cannot listen on 127.0.0.1:{port}" in line
    assert "--http-port" in line


def test_unreachable_database_is_said_in_one_line(tmp_path: Path):
    line = the_one_line(serve(tmp_path, "postgresql://nobody@127.0.0.1:1/none"))
    assert "the database does not answer" in line
    assert "DATABASE_URL" in line


def test_damaged_model_file_is_said_in_one_line(tmp_path: Path, database_url: str):
    model = tmp_path / "model"
    shutil.copytree(ROOT / "models/bundled/stt", model)
    (model / "model.bin").write_bytes(b"damaged")
    line = the_one_line(serve(tmp_path, database_url, FRONTDESK_SPEECH__STT=str(model)))
    assert "model" in line


def test_wrong_setting_is_named_with_its_value(tmp_path: Path):
    (tmp_path / "frontdesk.toml").write_text("[sip]\nport = 99999\n")
    line = the_one_line(frontdesk("serve", cwd=tmp_path))
    assert line.startswith("frontdesk: sip.port = 99999:")


def test_unknown_setting_is_named(tmp_path: Path):
    (tmp_path / "frontdesk.toml").write_text("[sip]\nprot = 5060\n")
    assert "sip.prot" in the_one_line(frontdesk("serve", cwd=tmp_path))


def test_call_to_nobody_is_said_in_one_line(tmp_path: Path):
    done = frontdesk("call", "sip:nobody@127.0.0.1:9", "--say", "hello", cwd=tmp_path)
    assert "127.0.0.1:9" in the_one_line(done)


def test_python_too_old_is_said_before_anything_else_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9, "final", 0))
    monkeypatch.setattr(sys, "version", "3.10.9 (main)")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "frontdesk"), run_name="__main__")
    assert stopped.value.code == 2
    assert "needs Python 3.11 or newer, this is 3.10.9" in capsys.readouterr().err


def serve(folder: Path, database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`serve` that is expected to fail at start."""
    settings = {
        "DATABASE_URL": database_url,
        "FRONTDESK_DATA_DIR": str(folder),
        "FRONTDESK_SIP__HOST": "127.0.0.1",
        "FRONTDESK_SIP__PORT": "0",
        "FRONTDESK_HTTP__PORT": "0",
    }
    return frontdesk("serve", cwd=folder, **{**settings, **environment})
