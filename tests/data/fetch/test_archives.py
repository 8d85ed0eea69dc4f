"""Archives are unpacked whole and inside the folder, or not at all."""

import io
import stat
import struct
import tarfile
import zipfile

import pytest

from vesalius.core import DataError
from vesalius.data.fetch.archives import unpack

UNSAFE = (
    "../evil", "a/../../evil", "/etc/evil", "\\evil", "..\\evil", "a\\..\\..\\evil", "c:\\evil",
    "c:evil", "//host/share/evil", "a/..", "..", "con", "a/nul.txt", "evil. ", "evil.", "a\nb",
    "x" * 300,
)  # fmt: skip


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name  # past the constructor, which mends some names
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path, entries, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


MAKE = {"zip": make_zip, "tar": make_tar}
GOOD = [("a.txt", b"one"), ("deep/b.txt", b"two"), ("deep/er/ünïcode (1).png", b"\x89PNG")]


def refused(archive, tmp_path, match, **settings):
    with pytest.raises(DataError, match=match):
        unpack(archive, tmp_path / "out", **settings)
    left = {p.name for p in tmp_path.iterdir()} - {archive.name}
    assert not left, "nothing may be left behind"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_good_tar_is_unpacked(tmp_path, mode):
    files = unpack(make_tar(tmp_path / "set.tar", GOOD, mode), tmp_path / "out")
    assert [f.read_bytes() for f in files] == [b"one", b"two", b"\x89PNG"]


def test_a_good_zip_is_unpacked_with_its_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("deep/", b"")
        for name, content in GOOD:
            archive.writestr(name, content)
    files = unpack(tmp_path / "set.zip", tmp_path / "out")
    assert [str(f.relative_to(tmp_path / "out")) for f in files] == [name for name, _ in GOOD]


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_out_or_fit_no_system_are_refused(tmp_path, kind, name):
    archive = MAKE[kind](tmp_path / "bad", [("good.txt", b"x"), (name, b"evil")])
    refused(archive, tmp_path, "refused")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        member = tarfile.TarInfo("innocent")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    refused(tmp_path / "bad.tar", tmp_path, "link, a device")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        info = zipfile.ZipInfo("innocent")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "bad.zip", tmp_path, "link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", MAKE)
def test_a_file_twice_or_a_file_as_a_folder_is_refused(tmp_path, kind):
    for twins in (("a", "a"), ("a", "A"), ("a", "a/b"), ("a", "./a")):
        archive = MAKE[kind](tmp_path / "bad", [(name, b"x") for name in twins])
        refused(archive, tmp_path, "refused|twice")


@pytest.mark.parametrize("kind", MAKE)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, kind):
    entries = [(f"{i}", b"\0" * 2**20) for i in range(70)]
    mode = {"mode": "w:gz"} if kind == "tar" else {}
    archive = MAKE[kind](tmp_path / "bomb", entries, **mode)
    refused(archive, tmp_path, "too many for its size", most_ratio=100)


def test_a_total_bound_holds(tmp_path):
    refused(make_zip(tmp_path / "big.zip", GOOD), tmp_path, "more than 5 bytes", largest=5)


def test_a_zip_that_lies_about_its_sizes_is_stopped(tmp_path):
    archive = make_zip(tmp_path / "liar.zip", [("a", b"\0" * 200_000)])
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<I", 200_000), struct.pack("<I", 10)))
    refused(archive, tmp_path, "cannot be unpacked|bytes|not a readable", largest=1000)


def test_encrypted_and_broken_archives_are_errors_of_ours(tmp_path):
    archive = make_zip(tmp_path / "locked.zip", GOOD)
    raw = bytearray(archive.read_bytes())
    place = raw.index(b"PK\1\2")
    raw[place + 8] |= 1
    archive.write_bytes(raw)
    refused(archive, tmp_path, "encrypted")
    for content in (b"", b"junk", b"PK\3\4junk", make_zip(archive, GOOD).read_bytes()[:80]):
        archive.write_bytes(content)
        refused(archive, tmp_path, "locked.zip")


def test_damaged_content_leaves_nothing_behind(tmp_path):
    archive = make_zip(tmp_path / "bad.zip", [("a", bytes(range(256)) * 40)])
    raw = bytearray(archive.read_bytes())
    raw[60] ^= 0xFF
    archive.write_bytes(raw)
    refused(archive, tmp_path, "bad.zip")


def test_a_folder_that_exists_is_never_written_into(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="exists already"):
        unpack(make_zip(tmp_path / "set.zip", GOOD), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
