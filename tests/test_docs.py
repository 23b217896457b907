"""The documentation runs: Python blocks are executed page by page, shown command lines name what the program has."""

import doctest
import re
import shlex
import shutil
import textwrap
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})\s*(?P<language>[\w+-]*)[^`]*$")
# What ends a command in a shell line: the rest belongs to another program or to the shell.
SHELL_END = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its first line's number in the page (from 1), its text without the fence."""

    language: str
    line: int
    text: str


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page; indented ones (in lists, in admonitions) are moved to the margin."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for _, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        body = []
        first = 0
        for number, inner in lines:
            first = first or number
            if inner.strip().startswith(opening["ticks"]) and not inner.strip().strip(opening["ticks"][0]):
                break
            body.append(inner)
        yield Block(opening["language"].lower(), first, textwrap.dedent("\n".join(body)) + "\n")


def run_block(page: str, block: Block, namespace: dict[str, Any]) -> None:
    """Execute a Python block; one written with prompts is checked against the output that it shows."""
    if block.text.lstrip().startswith(">>>"):
        example = doctest.DocTestParser().get_doctest(block.text, namespace, page, page, block.line - 1)
        report: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        if runner.run(example, out=report.append, clear_globs=False).failed:
            pytest.fail("".join(report), pytrace=False)
        namespace.update(example.globs)
        return
    source = "\n" * (block.line - 1) + block.text  # so that line numbers in tracebacks are the page's
    try:
        exec(compile(source, page, "exec"), namespace)
    except Exception as error:
        if isinstance(error, SyntaxError):
            line = error.lineno
        else:
            line = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == page][-1]
        pytest.fail(f"{page}:{line}: {type(error).__name__}: {error}", pytrace=False)


def commands_of(block: Block) -> Iterator[tuple[int, list[str]]]:
    """Yield line and arguments of each `bigpush-est ...` that a shell block shows; a final backslash continues."""
    pending, start = "", 0
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        start = start if pending else number
        pending += line.strip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        command, pending = pending, ""
        if command.removeprefix("$ ").startswith("bigpush-est"):
            words = shlex.split(command.removeprefix("$ "), comments=True)
            end = next((i for i, word in enumerate(words) if word in SHELL_END), len(words))
            yield start, words[1:end]


def unknown_in(command: Any, arguments: list[str]) -> str | None:
    """Walk the arguments down a tree of commands; say which one the program does not have, if any."""
    words = iter(arguments)
    for word in words:
        subcommands = getattr(command, "commands", {})
        if word.startswith("-") and word != "-":
            name, _, attached = word.partition("=")
            options = {
                spelling: option for option in command.params for spelling in option.opts + option.secondary_opts
            }
            if name in {"--help", "--install-completion", "--show-completion"}:
                continue
            if name not in options:
                return f"option {name} of {command.name!r}"
            if not (attached or getattr(options[name], "is_flag", False) or getattr(options[name], "count", False)):
                next(words, None)
        elif subcommands:
            if word not in subcommands:
                return f"subcommand {word!r}"
            command = subcommands[word]
        elif not any(parameter.param_type_name == "argument" for parameter in command.params):
            return f"argument {word!r} of {command.name!r}"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (ROOT / "models").is_dir():  # a reader stands in a checkout; what the page writes stays out of it
        shutil.copytree(ROOT / "models", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks_of((ROOT / page).read_text(encoding="utf-8")):
        if block.language in {"python", "py", "pycon"}:
            run_block(page, block, namespace)


@pytest.mark.parametrize("page", PAGES)
def test_the_command_lines_of_a_page_exist(page: str) -> None:
    shown = [
        (line, arguments)
        for block in blocks_of((ROOT / page).read_text(encoding="utf-8"))
        if block.language in {"console", "bash", "sh", "shell"}
        for line, arguments in commands_of(block)
    ]
    if not shown:
        return
    from typer.main import get_command

    from bigpush_est.cli import app

    root = get_command(app)
    wrong = [f"{page}:{line}: no {unknown}" for line, arguments in shown if (unknown := unknown_in(root, arguments))]
    assert not wrong, "\n".join(wrong)


SAMPLE = """# A page

```python
x = 1
```

- in a list

    ```python title="later"
    y = x + 1
    raise ValueError("told")
    ```

```pycon
>>> y
3
```

```console
$ bigpush-est run a.toml \\
    --out b --nonsense | tee log
$ ls
```
"""


def test_a_failure_names_page_and_line() -> None:
    plain, failing, prompted, _ = blocks_of(SAMPLE)
    namespace: dict[str, Any] = {}
    run_block("page.md", plain, namespace)
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:11: ValueError: told"):
        run_block("page.md", failing, namespace)
    with pytest.raises(pytest.fail.Exception, match=r"(?s)page\.md.*line 15.*Expected:\s+3\s+Got:\s+2"):
        run_block("page.md", prompted, namespace)
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:7: SyntaxError"):
        run_block("page.md", Block("python", 7, "x = = 1\n"), {})


def test_command_lines_are_checked_word_by_word() -> None:
    import typer
    from typer.main import get_command

    app = typer.Typer()

    @app.command()
    def run(study: str, out: str = "x", resume: bool = False) -> None: ...

    @app.command()
    def check() -> None: ...

    root = get_command(app)
    ((line, arguments),) = commands_of(list(blocks_of(SAMPLE))[-1])
    assert (line, arguments) == (20, ["run", "a.toml", "--out", "b", "--nonsense"])
    assert unknown_in(root, arguments) == "option --nonsense of 'run'"
    assert unknown_in(root, ["run", "a.toml", "--resume", "--out=b"]) is None
    assert unknown_in(root, ["--help"]) is None
    assert unknown_in(root, ["walk"]) == "subcommand 'walk'"
    assert unknown_in(root, ["check", "more"]) == "argument 'more' of 'check'"
