"""Help teaches: every summary is whole, every example can be typed, every setting is explained."""

import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.data import READERS, meanings_of, settings_of


def commands(command, path=()):
    """Yield every command with its words, the groups among them."""
    yield path, command
    for name, own in getattr(command, "commands", {}).items():
        yield from commands(own, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
LEAVES = {path: own for path, own in COMMANDS.items() if not hasattr(own, "commands")}


def shown(*words):
    done = CliRunner().invoke(app, [*words], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - LEAVES.keys()), ids=" ".join)
def test_no_summary_is_cut(path):
    assert "...\n" not in shown(*path, "--help").partition("Commands:")[2]


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if path[0] in ("data", "evaluate", "train", "embed")],
    ids=" ".join,
)  # fmt: skip
def test_examples_stand_on_their_own_lines_and_can_be_typed(path):
    lines = [line.strip().removeprefix("Example: ") for line in shown(*path, "--help").splitlines()]
    examples = [line for line in lines if line.startswith("vesalius ")]
    assert examples
    for line in examples:
        assert line.count("vesalius ") == 1
        words = shlex.split(line)[1:]
        assert words[: len(path)] == list(path)
        context = LEAVES[path].make_context(" ".join(path), words[len(path) :])
        assert context.params


def test_the_list_of_readers_is_one_line_a_reader():
    lines = shown("data", "list").partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == list(READERS)


@pytest.mark.parametrize("reader", READERS)
def test_every_setting_of_a_reader_is_listed_with_its_meaning(reader):
    said = " ".join(shown("data", "list", reader).split())
    assert list(meanings_of(reader)) == list(settings_of(reader))
    for key, meaning in meanings_of(reader).items():
        assert re.search(rf"\b{key}=", said)
        assert meaning
        assert meaning[:30] in said
