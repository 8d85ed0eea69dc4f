"""Downloads go on where they broke off, are checked, and are whole or absent (a local server)."""

import threading
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.core import ChoiceError, DataError
from vesalius.data import read
from vesalius.data.fetch import catalogue
from vesalius.data.fetch.fetching import download

CONTENT = np.random.default_rng(0).bytes(700_000)
MD5 = md5(CONTENT, usedforsecurity=False).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; ``broken`` answers stop half way, ``ranges`` may be unknown."""

    broken, ranges, asked, content = 0, True, [], CONTENT

    def do_GET(self):
        kind = type(self)
        wanted = self.headers.get("Range")
        kind.asked.append(wanted)
        if self.path == "/gone":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and kind.ranges else 0
        if start and start >= len(kind.content):
            return self.send_error(416)
        body = kind.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind.broken:
            kind.broken -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    kind = type("Own", (Server,), {"asked": []})
    running = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    kind.url = f"http://127.0.0.1:{running.server_port}"
    yield kind
    running.shutdown()
    running.server_close()


def test_a_file_arrives_whole_and_is_not_fetched_again(server, tmp_path):
    path = download(f"{server.url}/a", tmp_path / "deep" / "a.npz", md5=MD5)
    assert path.read_bytes() == CONTENT
    download(f"{server.url}/a", path, md5=MD5)
    assert server.asked == [None]
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, ranges):
    server.broken, server.ranges = 2, ranges
    for _ in range(2):
        with pytest.raises(DataError, match="call again to go on, or put the file at"):
            download(f"{server.url}/a", tmp_path / "a", md5=MD5)
        assert not (tmp_path / "a").exists()
    assert download(f"{server.url}/a", tmp_path / "a", md5=MD5).read_bytes() == CONTENT
    assert server.asked[0] is None
    assert server.asked[1].startswith("bytes=3")


def test_a_break_after_the_last_byte_is_no_trouble(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    assert download(f"{server.url}/a", tmp_path / "a", md5=MD5).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    with pytest.raises(DataError, match="thrown away"):
        download(f"{server.url}/a", tmp_path / "a", md5="0" * 32)
    assert not list(tmp_path.iterdir())


def test_another_file_in_its_place_is_never_overwritten(server, tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        download(f"{server.url}/a", tmp_path / "a", md5=MD5)
    assert (tmp_path / "a").read_text() == "mine"


def test_no_answer_and_a_missing_page_say_where_to_put_the_file(server, tmp_path):
    for url in (f"{server.url}/gone", "http://127.0.0.1:9/a"):
        with pytest.raises(DataError, match=r"cannot be reached.*put the file at"):
            download(url, tmp_path / "a", md5=MD5)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "http://example.org/a", "a"])
def test_only_https_is_fetched(url, tmp_path):
    with pytest.raises(DataError, match="not an https address"):
        download(url, tmp_path / "a", md5=MD5)


def test_medmnist_is_fetched_by_its_records_and_read(server, tmp_path, layout, monkeypatch):
    server.content = (layout("medmnist") / "breastmnist.npz").read_bytes()
    checksum = md5(server.content, usedforsecurity=False).hexdigest()
    record = {"url_64": f"{server.url}/b", "MD5_64": checksum, "n_samples": {"train": 5},
              "task": "binary-class", "license": "CC BY 4.0", "url": server.url}  # fmt: skip
    catalogue.data_sets.cache_clear()
    monkeypatch.setattr(catalogue, "medmnist_records", lambda: {"breastmnist": record})
    try:
        path = catalogue.fetch("breastmnist", tmp_path, size=64)
        assert path.name == "breastmnist_64.npz"
        assert len(read("medmnist", path)) == 10
        with pytest.raises(DataError, match="no size 128"):
            catalogue.fetch("breastmnist", tmp_path, size=128)
        with pytest.raises(ChoiceError, match="size"):
            catalogue.fetch("breastmnist", tmp_path, size=50)
    finally:
        catalogue.data_sets.cache_clear()


def test_other_sets_only_get_instructions(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("network"))
    for name, own in catalogue.data_sets().items():
        if own.reader == "medmnist":
            continue
        done = CliRunner().invoke(app, ["data", "fetch", name, "--to", str(tmp_path / "x")])
        assert done.exit_code == 0, done.output
        for words in (own.licence, own.size, own.source, own.how, "fetched by hand"):
            assert words in done.output
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_set_with_its_licence():
    done = CliRunner().invoke(app, ["data", "fetch"])
    for own in catalogue.data_sets().values():
        assert own.name in done.output
        assert own.licence in done.output


def test_an_unknown_set_gets_the_nearest_right_name(monkeypatch):
    with pytest.raises(ChoiceError, match="did you mean 'chexpert'"):
        catalogue.data_set("chexprt")
    catalogue.data_sets.cache_clear()
    monkeypatch.setattr(catalogue, "medmnist_records", lambda: None)
    try:
        with pytest.raises(DataError, match=r"install vesalius\[medmnist\]"):
            catalogue.data_set("pathmnist")
    finally:
        catalogue.data_sets.cache_clear()


def test_convert_and_verify_from_the_command_line(layout, tmp_path):
    words = ["data", "convert", "manifest", str(layout("manifest")), "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(app, [*words, "--verify", "--workers", "0"])
    assert done.exit_code == 0, done.output
    assert "reads back as it was" in done.output
    assert "vesalius data inspect webdataset" in done.output
