"""Start a real Blender window on a screen of its own, with the extension in it, and run a script.

Runs where Blender is (it needs Xvfb, xdotool and ImageMagick there), with no package but the
standard library::

    python3 tests/blender/gui/drive.py tests/blender/gui/shots.py --out /tmp/shots --scale 2

The extension is a built zip (``--zip``), or else a copy of the folder of this checkout. With
``--by-hand`` too the script installs the zip itself; its path is then the first of its arguments.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = """schema_version = "1.0.0"
id = "maquette"
version = "0.1.0"
name = "Maquette"
tagline = "3D objects from pictures"
maintainer = "Maquette"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
"""


def main() -> int:
    """Run it; the exit code is that of the script."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--display", default=":77", help="of Xvfb; each run needs its own")
    parser.add_argument("--zip", type=Path)
    parser.add_argument("--by-hand", action="store_true")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    user = given.out / "user"
    shutil.rmtree(user, ignore_errors=True)
    environment = {
        **os.environ,
        "DISPLAY": given.display,
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "BLENDER_USER_RESOURCES": str(user),
        "MAQUETTE_GUI_OUT": str(given.out),
        "MAQUETTE_GUI_SCALE": str(given.scale),
        "PYTHONPATH": str(ROOT),
    }
    if given.by_hand:
        given.rest.insert(0, str(given.zip))
    install(given.zip, user, environment, by_hand=given.by_hand)
    width, height = given.size.split("x")
    screen = subprocess.Popen(
        ["Xvfb", given.display, "-screen", "0", f"{width}x{height}x24"], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        command = ["blender", "--window-geometry", "0", "0", width, height]
        command += ["--python-exit-code", "3", "--python", str(given.script), "--", *given.rest]
        with (given.out / "blender.log").open("wb") as log:
            done = subprocess.run(
                command, env=environment, stdout=log, stderr=log, timeout=given.seconds
            )
        return done.returncode
    finally:
        screen.terminate()
        screen.wait()


def install(
    zip_file: Path | None, user: Path, environment: dict[str, str], *, by_hand: bool
) -> None:
    """Put the extension where an installation from disk puts it, unless the script does, and switch
    the splash off."""
    begin = "import bpy; p = bpy.context.preferences; p.view.show_splash = False; "
    begin += f"p.view.ui_scale = {environment['MAQUETTE_GUI_SCALE']}; "
    if by_hand:
        pass
    elif zip_file is None:
        folder = user / "extensions" / "user_default" / "maquette"
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "blender_addon", folder, ignore=ignore)
        (folder / "blender_manifest.toml").write_text(MANIFEST)
        begin += "import addon_utils; addon_utils.enable('bl_ext.user_default.maquette', "
        begin += "default_set=True); "
    else:
        run = ["blender", "--command", "extension", "install-file", "-r", "user_default", "-e"]
        subprocess.run([*run, str(zip_file)], env=environment, check=True)
    if not by_hand:
        begin += "assert 'bl_ext.user_default.maquette' in p.addons, 'not enabled'; "
    begin += "bpy.ops.wm.save_userpref()"
    command = ["blender", "-b", "--python-exit-code", "3", "--python-expr", begin]
    subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
