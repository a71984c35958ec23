"""The lists of files are complete and true."""

from pathlib import Path

from tests.house import tree

# Written by hand or by tools, and not part of a map for readers.
UNMAPPED = {"LICENSE", "CHANGELOG.md", "README.md"}
MADE = {"out", "build", "dist", "__pycache__"}


def test_the_list_of_files_is_what_the_files_say() -> None:
    assert tree.PAGE.read_text(encoding="utf-8") == tree.page(tree.ROOT), (
        "run: python -m tests.house.tree"
    )


def test_every_file_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(tree.ROOT))
        for folder in tree.FOLDERS
        for file in (tree.ROOT / folder).rglob("*.py")
        if file.stat().st_size and not tree.first_sentence(file)
    ]
    assert silent == []


def test_the_readme_names_every_folder_and_file_beside_it() -> None:
    named = tree.entries_of_tree((tree.ROOT / "README.md").read_text(encoding="utf-8"))
    ours = {
        path.name
        for path in tree.ROOT.iterdir()
        if not path.name.startswith(".") and path.name not in {*UNMAPPED, *MADE}
        if not path.name.endswith(".egg-info")
    }
    assert named - {".ci"} == ours


def test_a_sentence_is_cut_out_of_a_docstring(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text('"""One thing: and\nmore. Then another.\n\nDetails."""\n')
    assert tree.first_sentence(file) == "One thing: and more."
    file.write_text("x = 1\n")
    assert tree.first_sentence(file) == ""
