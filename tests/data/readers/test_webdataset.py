"""Shards are read safely, at random and as a stream."""

import io
import json
import os
import tarfile
from itertools import chain

import numpy as np
import pytest

from vesalius.core import DataError, ImageError
from vesalius.data import read, stream_shards
from vesalius.data.convert import convert
from vesalius.data.streaming import _shuffled


def add(tar, name, content=b"", **changed):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changed.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content) if content else None)


@pytest.fixture
def picture(png, tmp_path):
    return png(tmp_path / "x.png").read_bytes()


@pytest.fixture
def shard(tmp_path):
    """Return a function that writes a shard of the given members."""

    def write(members, name="set/0.tar", mode="w"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        with tarfile.open(path, mode) as tar:
            for own, content in members.items():
                add(tar, own, content)
        return path.parent

    return write


def test_third_party_shards_give_images_texts_and_plain_fields(layout):
    cases = read("webdataset", layout("webdataset"))
    assert cases.case_ids.tolist()[:2] == ["00000", "00001"]
    assert cases.texts[0] == "Film 00000."
    assert list(cases.attributes) == ["pmid"]
    assert (cases.label_names, cases.splits, cases.patient_ids) == ((), None, None)


def test_one_shard_alone_is_read(layout):
    assert len(read("webdataset", layout("webdataset") / "00001.tar")) == 3


def test_only_images_and_texts_are_enough(shard, picture):
    cases = read("webdataset", shard({"a.png": picture, "a.txt": "naïve".encode("cp1252")}))
    assert cases.texts.tolist() == ["naïve"]


def test_the_caption_may_stand_in_the_json(shard, picture):
    root = shard({"a.png": picture, "a.json": b'{"caption": " A film. ", "alt": "B"}'})
    assert read("webdataset", root).texts.tolist() == ["A film."]
    assert read("webdataset", root, text="alt").texts.tolist() == ["B"]


def test_folders_named_as_splits_are_splits(shard, picture):
    shard({"a.png": picture}, "set/train/0.tar")
    root = shard({"a.png": picture}, "set/val/0.tar").parent
    cases = read("webdataset", root)
    assert cases.splits.tolist() == ["train", "validation"]
    assert cases.case_ids.tolist() == ["train/0/a", "val/0/a"]


def test_what_is_not_read_is_listed(shard, picture):
    root = shard({"a.png": picture, "a.pyd": b"\x80\x04.", "b.txt": b"no image", "a.npy": b"x"})
    skipped = {row.name: row.reason for row in read("webdataset", root).skipped}
    assert skipped.keys() == {"*.pyd", "*.npy", "0.tar/b"}


UNSAFE = {
    "absolute": {"name": "/etc/a.png"},
    "climbs": {"name": "../a.png"},
    "climbs inside": {"name": "x/../../a.png"},
    "backslashes": {"name": "..\\a.png"},
    "drive": {"name": "c:/a.png"},
    "symlink": {"name": "a.png", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link": {"name": "a.png", "type": tarfile.LNKTYPE, "linkname": "b.png"},
    "device": {"name": "a.png", "type": tarfile.CHRTYPE},
    "pipe": {"name": "a.png", "type": tarfile.FIFOTYPE},
}


@pytest.mark.parametrize("how", UNSAFE)
@pytest.mark.parametrize("way", ["read", "stream"])
def test_unsafe_members_are_refused(how, way, tmp_path, picture):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        add(tar, "good.png", picture)
        own = dict(UNSAFE[how])
        add(tar, own.pop("name"), **own)
    with pytest.raises(DataError, match=r"0\.tar: member"):
        read("webdataset", tmp_path) if way == "read" else list(stream_shards(tmp_path))


@pytest.mark.parametrize("name", ["pipe:cat 0.tar", "https://example.org/0.tar"])
def test_pipes_and_addresses_are_only_names_of_folders_that_are_not_there(name):
    with pytest.raises(DataError, match="no folder"):
        read("webdataset", name)
    with pytest.raises(DataError, match="no folder"):
        next(stream_shards(name))


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 511, b"PK\3\4" + b"x" * 600])
def test_what_is_no_tar_is_named(tmp_path, content):
    (tmp_path / "0.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"0\.tar|no sample"):
        read("webdataset", tmp_path)


def test_a_compressed_tar_is_refused_and_a_cut_one(shard, picture):
    root = shard({"a.png": picture}, mode="w:gz")
    with pytest.raises(DataError, match="uncompressed"):
        read("webdataset", root)
    root = shard({"a.png": picture, "b.png": picture * 50})
    whole = (root / "0.tar").read_bytes()
    (root / "0.tar").write_bytes(whole[:1600])
    with pytest.raises(DataError, match=r"0\.tar"):
        read("webdataset", root)


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_broken_json_is_named(shard, picture, content):
    with pytest.raises(DataError, match="sample 'a'"):
        read("webdataset", shard({"a.png": picture, "a.json": content}))


def test_a_broken_image_is_an_image_error_that_names_shard_and_key(shard):
    cases = read("webdataset", shard({"a.png": b"\x89PNG"}))
    with pytest.raises(ImageError, match=r"0\.tar/a"):
        cases[0].image.read()


def test_an_image_bomb_is_refused(shard, bomb):
    cases = read("webdataset", shard({"a.png": bomb(100_000, 100_000)}))
    with pytest.raises(ImageError, match="declares"):
        cases[0].image.read()


def test_the_index_is_kept_beside_and_made_anew_when_a_shard_changes(shard, picture, monkeypatch):
    root = shard({"a.png": picture})
    read("webdataset", root)
    assert (root / ".vesalius-members.parquet").is_file()
    with monkeypatch.context() as patched:
        patched.setattr(
            "vesalius.data.containers.shard_index.members", lambda path: pytest.fail("again")
        )
        assert len(read("webdataset", root)) == 1
    shard({"a.png": picture, "b.png": picture})
    assert len(read("webdataset", root)) == 2
    (root / ".vesalius-members.parquet").write_bytes(b"PAR1 broken")
    assert len(read("webdataset", root)) == 2


def test_a_folder_that_cannot_be_written_keeps_its_index_in_the_users_cache(
    shard, picture, tmp_path, monkeypatch
):
    from vesalius.core import VesaliusError
    from vesalius.data.containers import shard_index

    root, write = shard({"a.png": picture}), shard_index.write_atomic

    def read_only(path, content):
        if path.parent == root:
            raise VesaliusError("read-only")
        return write(path, content)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shard_index, "write_atomic", read_only)
    assert len(read("webdataset", root)) == 1
    assert len(list((tmp_path / "cache").rglob("*.parquet"))) == 1


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    cases = read("phantom", n=40, image_size=64)
    return cases, convert(cases, tmp_path_factory.mktemp("set") / "out", per_part=5).out


def test_a_stream_gives_what_the_reader_gives(shards):
    from vesalius.data.convert.equality import _apart

    cases, root = shards
    for one, other in zip(cases, stream_shards(root), strict=True):
        assert list(_apart(one, other)) == []


@pytest.mark.parametrize(("ranks", "buffer"), [(1, 1), (1, 7), (1, 1000), (3, 4), (8, 2)])
def test_together_the_ranks_see_every_sample_exactly_once(shards, ranks, buffer):
    cases, root = shards
    seen = [
        case.case_id
        for rank in range(ranks)
        for case in stream_shards(
            root, rng=np.random.default_rng(5), buffer=buffer, rank=rank, ranks=ranks
        )
    ]
    assert sorted(seen) == sorted(cases.case_ids.tolist())
    assert seen != cases.case_ids.tolist()


def test_workers_of_a_loader_share_the_shards(shards):
    from torch.utils.data import DataLoader, IterableDataset

    cases, root = shards

    class Stream(IterableDataset):
        def __iter__(self):
            return (case.case_id for case in stream_shards(root))

    seen = list(DataLoader(Stream(), batch_size=None, num_workers=2))
    assert sorted(seen) == sorted(cases.case_ids.tolist())


def test_ranks_and_their_workers_share_uneven_shards_exactly_once(shards):
    """Eight shards of five: three ranks of two workers take two, or one, each."""
    from torch.utils.data import DataLoader, IterableDataset

    cases, root = shards

    class Stream(IterableDataset):
        def __init__(self, rank):
            self.rank = rank

        def __iter__(self):
            rng = np.random.default_rng(5)
            of = stream_shards(root, rng=rng, buffer=3, rank=self.rank, ranks=3)
            return (case.case_id for case in of)

    seen = [list(DataLoader(Stream(r), batch_size=None, num_workers=2)) for r in range(3)]
    assert sorted(len(own) for own in seen) == [10, 15, 15]
    assert sorted(chain(*seen)) == sorted(cases.case_ids.tolist())


def test_the_buffer_is_never_longer_than_asked():
    taken = given = most = 0

    def source():
        nonlocal taken
        for i in range(500):
            taken += 1
            yield i

    for _ in _shuffled(source(), np.random.default_rng(0), 16):
        given += 1
        most = max(most, taken - given)
    assert given == 500
    assert most <= 16


def test_a_stream_is_shuffled_by_its_generator_alone(shards):
    def order(seed):
        return [c.case_id for c in stream_shards(shards[1], rng=np.random.default_rng(seed))]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_more_readers_than_shards_are_refused(shards):
    with pytest.raises(DataError, match="8 shards cannot be dealt to 9"):
        next(stream_shards(shards[1], ranks=9))


def test_broken_images_of_a_stream_are_collected(shard, picture):
    root = shard({"a.png": picture, "b.png": b"\x89PNG", "c.png": picture})
    with pytest.raises(ImageError, match="/b"):
        list(stream_shards(root))
    bad = []
    assert [case.case_id for case in stream_shards(root, bad=bad)] == ["a", "c"]
    assert [name for name, _ in bad] == ["0.tar/b"]


def test_an_index_cannot_lead_out_of_its_folder(shards, tmp_path):
    import shutil

    root = shutil.copytree(shards[1], tmp_path / "copy")
    index = json.loads((root / "index.json").read_text())
    index["files"] = {"../" * 9 + "etc/shard.tar": {}}
    (root / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=str(root).replace(os.sep, ".")):
        read("webdataset", root)
