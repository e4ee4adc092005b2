"""A bundle with other default cameras, without its checkpoint."""

from dataclasses import replace
from pathlib import Path

from same_engines.atomic_files import remove_partials_of, told_disk, whole_folder
from same_engines.bundle.reader import Bundle, write_manifest
from same_engines.bundle.signature import SIGNATURE_NAME
from same_engines.errors import BundleError, ExportError
from same_engines.files.folder_tree import files_below
from same_engines.files.regular_files import open_regular
from same_export.option_checks import check_bundle_place
from same_runtime.camera import CameraRig


def write_with_rig(bundle: Bundle, rig: CameraRig, out: Path) -> None:
    """Write as ``out`` what is in ``bundle``, with ``rig`` as its default cameras.

    Graphs, plans and whatever else lies in the folder come along: cameras are an input of all of
    them. The signature does not, which was of another manifest. A bundle at ``out`` is replaced;
    anything else there is refused. Raises ``BundleError`` when ``bundle`` is damaged or
    cannot be read, and ``ExportError`` when ``out`` cannot be written; nothing is left behind then.
    """
    check_bundle_place(out)
    bundle.verify()
    remove_partials_of(out)
    with told_disk(ExportError, out), whole_folder(out) as work:
        for file in files_below(bundle.path, _stays):
            if _stays(file.name) or file.is_symlink() or not file.is_file():
                continue
            copy = work / file.relative_to(bundle.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_content(file))
        write_manifest(Bundle.open(work), replace(bundle.manifest, rig=rig.to_dict()))


def _content(file: Path) -> bytes:
    try:
        with open_regular(file) as opened:
            return opened.read()
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error.strerror})") from None


def _stays(name: str) -> bool:
    # What begins with a dot is a lock, half of something or a tool's own.
    return name.startswith(".") or name == SIGNATURE_NAME
