"""The documentation names what is there: links, flags, settings, exit codes and card entries."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

import pytest

from bipack import card as cards
from bipack import errors, settings
from bipack.cli import main as front

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def headings(text: str) -> set[str]:
    """Anchors as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name} links to {target}"
        if anchor and linked.suffix == ".md":
            assert anchor in headings(linked.read_text(encoding="utf-8")), f"{path.name} links to {target}"


def test_the_readme_opens_with_the_two_commands_and_the_picture():
    lines = page("README.md").splitlines()
    commands = [line.split("#")[0].strip() for line in lines[3:5]]
    assert lines[2] == "```" and commands == ["python3 bootstrap.py demo", "python3 bootstrap.py test"]
    assert lines[7].startswith("![") and "docs/images/demo.png" in lines[7]


def flags_of(name: str) -> set[str]:
    """Every long flag of a subcommand and of its own subcommands."""

    def walk(parser: argparse.ArgumentParser) -> set[str]:
        found = set()
        for action in parser._actions:
            found.update(flag for flag in action.option_strings if flag.startswith("--"))
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    found |= walk(inner)
        return found

    top = front.build_parser([name])
    commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return walk(commands.choices[name]) - {"--help"}


@pytest.mark.parametrize("name", sorted(front.COMMANDS))
def test_every_flag_of_a_command_is_documented(name):
    section = re.search(rf"^## bipack {name}\b.*?(?=^## |\Z)", page("docs/command_line.md"), re.M | re.S)
    assert section, f"docs/command_line.md has no section for bipack {name}"
    assert {flag for flag in flags_of(name) if flag not in section.group(0)} == set()


def test_every_setting_is_documented_with_its_variable_and_default():
    text = page("docs/install_td.md")
    for setting in settings.SETTINGS:
        default = f"`{setting.default}`" if setting.default else ""
        assert f"| `{setting.name}` | `{setting.variable}` | {default}" in text


def test_every_exit_code_is_documented():
    text = page("docs/command_line.md")
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)} | {0, 143}
    for code in codes:
        assert f"| {code} | " in text


@pytest.mark.parametrize(
    "kind",
    [
        cards.ModelCard,
        cards.Port,
        cards.Geometry,
        cards.Knob,
        cards.Training,
        cards.Source,
        cards.Score,
        cards.Painted,
        cards.PaintedFile,
    ],
)
def test_every_entry_of_a_card_is_documented(kind):
    text = page("docs/models.md")
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in text, f"{kind.__name__}.{field.name}"


def test_the_smallest_card_of_the_documentation_is_a_card():
    import json

    text = re.search(r"```json\n(.*?)```", page("docs/models.md"), re.S).group(1)
    assert cards.from_data(json.loads(text)).name == "my_fix"


def test_the_example_of_a_configuration_file_is_one(tmp_path, monkeypatch):
    text = re.search(r"```json\n(.*?)```", page("docs/install_td.md"), re.S).group(1)
    (tmp_path / "site.json").write_text(text)
    monkeypatch.setenv("BIPACK_CONFIG", str(tmp_path / "site.json"))
    assert settings.get_flag("require_gpu")


def test_every_benchmark_is_listed():
    listed = page("bench/README.md")
    for path in (ROOT / "bench").glob("*.py"):
        assert path.name in listed


def test_every_flag_of_bootstrap_is_documented():
    source = page("bootstrap.py")
    text = page("docs/install_td.md")
    for flag in re.findall(r'add_argument\("(--\w+)"', source):
        assert f"`{flag}" in text
